"""Tactician tries configurations on one host, restores it whatever happens, and proves the winner.

This module imports nothing, because the guardian and ``tactician --help`` load it.
"""

__version__ = "0.1.0"

"""The commands of one host, in the order in which help shows them.

Everything heavy is imported inside the command that needs it, so that ``--help`` answers at once.
"""

from tactician.cli import tuning  # isort: skip
from tactician.cli import results  # isort: skip
from tactician.cli import changing  # isort: skip
from tactician.cli import looking  # isort: skip
from tactician.cli import privileges  # isort: skip
from tactician.cli.base import EXIT_CODES, commands, errors_reported, report_error

__all__ = [
    "EXIT_CODES",
    "changing",
    "commands",
    "errors_reported",
    "looking",
    "privileges",
    "report_error",
    "results",
    "tuning",
]

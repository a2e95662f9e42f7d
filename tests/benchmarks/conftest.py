"""Benchmarks and plots are scripts beside the packages: their folders go onto the path."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2] / folder) for folder in ("benchmarks", "docs")]

"""Lets these tests share their event streams: in importlib mode a test's folder is not on the path."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))

"""The systemd units of helper and recovery, with the paths of this installation in them."""

from __future__ import annotations

import sys
from pathlib import Path

from tactician.errors import OperatorError
from tactician.undo import helper

_FOLDER = Path(helper.__file__).with_name("units")
NAMES = ("tactician-helper.socket", "tactician-helper.service", "tactician-recover.service")


def unit(name: str) -> str:
    """Return the text of a unit."""
    text = (_FOLDER / name).read_text(encoding="utf-8")
    for mark, path in _paths().items():
        text = text.replace(mark, path)
    return text


def install(folder: Path) -> list[Path]:
    """Write all units into a folder, such as /etc/systemd/system, and return their paths.

    Raises:
        OperatorError: it cannot be written.
    """
    written = []
    for name in NAMES:
        path = folder / name
        try:
            path.write_text(unit(name), encoding="utf-8")
        except OSError as error:
            raise OperatorError(f"{path} cannot be written: {error.strerror}; it takes root") from error
        written.append(path)
    return written


def _paths() -> dict[str, str]:
    script = Path(sys.executable).with_name("tactician")
    # Without a console script the module does the same.
    command = str(script) if script.exists() else f"{sys.executable} -m cli_ai.main"
    return {"@TACTICIAN@": command, "@PYTHON@": sys.executable, "@HELPER@": str(helper.__file__)}

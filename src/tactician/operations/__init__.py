"""What an operator does with a run that is over: apply, confirm, revert, recover, export."""

from tactician.operations.applying import Applied, apply_run
from tactician.operations.confirming import Confirmed, confirm
from tactician.operations.exporting import FORMATS, export
from tactician.operations.reverting import recover_everywhere, revert

__all__ = [
    "FORMATS",
    "Applied",
    "Confirmed",
    "apply_run",
    "confirm",
    "export",
    "recover_everywhere",
    "revert",
]

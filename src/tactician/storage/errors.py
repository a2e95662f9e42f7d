"""What can be wrong with the history itself, as opposed to what is asked of it."""

from __future__ import annotations

from tactician.errors import HostError, OperatorError


class HistoryError(HostError):
    """The history cannot be opened, read or written.

    It leaves this package only before a run begins or where a command asks; nothing was touched then,
    hence the exit status of a host without the rights or the space that a run needs.
    """

    code = "history"
    exit_status = 2


class NewerHistoryError(OperatorError):
    """The history was written by a newer version of Tactician, whose rows this one would misread."""

    code = "newer-history"

"""What can go wrong between us and a language model; none of it ends a plan, since the rules take over."""

from __future__ import annotations

from tactician.errors import HostError, ListedError, OperatorError


class SettingsError(OperatorError):
    """The endpoint's address, model or key cannot be used as it was given."""

    code = "llm-settings"


class EndpointError(HostError):
    """The endpoint did not give an answer; the message never holds the key.

    Attributes:
        unsupported: it refused the form of answer that was asked for, and a plainer one may work.
    """

    code = "llm-endpoint"

    def __init__(self, message: str, *, unsupported: bool = False) -> None:
        super().__init__(message)
        self.unsupported = unsupported


class AnswerError(ListedError):
    """An answer that does not fit its form, or chooses what does not exist here; the model is told why."""

    code = "llm-answer"
    headline = "the model's answer cannot be used"

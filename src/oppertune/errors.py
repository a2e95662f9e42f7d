"""Every error that oppertune raises on purpose, so that one ``except`` can catch them all.

The tree::

    OppertuneError
    ├── InvalidParameterError (ValueError)      a bound, step or value that contradicts the rest
    │   └── InvalidConstraintError              a constraint that cannot be read or fulfilled
    ├── InvalidTypeError (TypeError)            something of the wrong type
    │   └── AlgorithmError                      an algorithm breaks its contract
    ├── InvalidArgumentError (ValueError)       an option of an algorithm out of range
    ├── InvalidContextError (ValueError)        a context that has no identity, such as one with NaN
    ├── RewardError (ValueError)                NaN, infinite, or given a second time
    │   └── RewardTypeError (TypeError)         not a number
    ├── UnknownRequestError (KeyError, ValueError)      no such request is open
    ├── UnknownAlgorithmError (KeyError, ValueError)    no such name in the table
    └── StateError (ValueError)                 a file that is not a state of ours

Classes that are also builtins inherit both, so that callers who catch ``ValueError`` need not change.
"""


class OppertuneError(Exception):
    """Base of every error of this package."""

    def __str__(self) -> str:
        # KeyError shows the repr of its message; a sentence should be shown as a sentence.
        return str(self.args[0]) if len(self.args) == 1 else super().__str__()


class InvalidParameterError(OppertuneError, ValueError):
    """A bound, step or value that contradicts the rest."""


class InvalidConstraintError(InvalidParameterError):
    """A constraint that cannot be read, or constraints that nothing fulfils."""


class InvalidTypeError(OppertuneError, TypeError):
    """Something of the wrong type."""


class AlgorithmError(InvalidTypeError):
    """An algorithm breaks the contract of its base class."""


class InvalidArgumentError(OppertuneError, ValueError):
    """An option of an algorithm that is out of range."""


class InvalidContextError(OppertuneError, ValueError):
    """A context without an identity, such as one that holds NaN."""


class RewardError(OppertuneError, ValueError):
    """A reward that is NaN, infinite, or given a second time."""


class RewardTypeError(RewardError, TypeError):
    """A reward that is not a number."""


class UnknownRequestError(OppertuneError, KeyError, ValueError):
    """A request that is not open: never made, lapsed, or cleared."""


class UnknownAlgorithmError(OppertuneError, KeyError, ValueError):
    """A name that is not in the table of algorithms."""


class StateError(OppertuneError, ValueError):
    """A file that is not a saved state, is damaged, or comes from a future version."""

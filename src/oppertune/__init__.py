"""The name under which everything public is found, at no cost: nothing is loaded before it is asked for."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from oppertune.algorithms.all import (
        ALGORITHMS,
        create_tuning_instance,
        get_algorithm_class,
        load_tuning_instance,
        register,
    )
    from oppertune.algorithms.base import Algorithm
    from oppertune.application import Application, MetricsMonitor, TuningResult, tune
    from oppertune.core.conditions import Condition
    from oppertune.core.constraints import Constraint
    from oppertune.core.space import Space
    from oppertune.core.types import Context, PredictResponse, TuningRequest
    from oppertune.core.values import (
        Categorical,
        Integer,
        Parameter,
        Real,
        Value,
        ValueType,
        parameter_from_dict,
    )
    from oppertune.errors import OppertuneError

    __version__: str

_HOMES = {
    "ALGORITHMS": "oppertune.algorithms.all",
    "Algorithm": "oppertune.algorithms.base",
    "Application": "oppertune.application",
    "Categorical": "oppertune.core.values",
    "Condition": "oppertune.core.conditions",
    "Constraint": "oppertune.core.constraints",
    "Context": "oppertune.core.types",
    "Integer": "oppertune.core.values",
    "MetricsMonitor": "oppertune.application",
    "OppertuneError": "oppertune.errors",
    "Parameter": "oppertune.core.values",
    "PredictResponse": "oppertune.core.types",
    "Real": "oppertune.core.values",
    "Space": "oppertune.core.space",
    "TuningRequest": "oppertune.core.types",
    "TuningResult": "oppertune.application",
    "Value": "oppertune.core.values",
    "ValueType": "oppertune.core.values",
    "create_tuning_instance": "oppertune.algorithms.all",
    "get_algorithm_class": "oppertune.algorithms.all",
    "load_tuning_instance": "oppertune.algorithms.all",
    "parameter_from_dict": "oppertune.core.values",
    "register": "oppertune.algorithms.all",
    "tune": "oppertune.application",
}

__all__ = (
    "ALGORITHMS",
    "Algorithm",
    "Application",
    "Categorical",
    "Condition",
    "Constraint",
    "Context",
    "Integer",
    "MetricsMonitor",
    "OppertuneError",
    "Parameter",
    "PredictResponse",
    "Real",
    "Space",
    "TuningRequest",
    "TuningResult",
    "Value",
    "ValueType",
    "__version__",
    "create_tuning_instance",
    "get_algorithm_class",
    "load_tuning_instance",
    "parameter_from_dict",
    "register",
    "tune",
)


def __getattr__(name: str) -> object:
    """Import the module that a public name lives in, when the name is first used."""
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            found: object = version("tactician")
        except PackageNotFoundError:
            found = "0+unknown"
    elif name in _HOMES:
        from importlib import import_module

        found = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

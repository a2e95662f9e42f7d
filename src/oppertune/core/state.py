"""The file format of saved algorithms: JSON and arrays in one zip, which can hold no code.

``state.json`` is ``{"format": "oppertune-state", "version": 2, "kind": ..., "state": ...}``. Plain JSON
stands for itself; everything else is an object with the single key ``"$"`` naming its type and ``"v"`` its
content: ``tuple``, ``set``, ``deque``, ``dict`` (as pairs, for keys that are no strings), ``parameter``,
``constraint``, ``condition``, ``context``, ``array`` (the name of a ``.npy`` member), ``bytes`` (the name of
any other member), ``generator`` (numpy's own description of a bit generator), and ``object`` (a class of this
process that was announced with :func:`stateful`). A file cannot choose what is imported.
"""

from __future__ import annotations

import io
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from oppertune.core.conditions import Condition
from oppertune.core.constraints import Constraint, Side
from oppertune.core.requests import RequestLedger
from oppertune.core.types import Context
from oppertune.core.values import Categorical, Integer, Real, parameter_from_dict
from oppertune.errors import StateError

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = "oppertune-state"
VERSION = 2
"""1 knew neither conditions nor special values; it is still read."""
_MEMBER = "state.json"
_MAX_BYTES = 2**30

_Class = TypeVar("_Class", bound=type)
_STATEFUL: dict[str, type] = {"RequestLedger": RequestLedger}


def stateful(cls: _Class) -> _Class:
    """Announce a class whose objects may be part of a state.

    It either has ``get_state()`` and ``set_state(state)``, or its attributes are its state.
    """
    _STATEFUL[cls.__name__] = cls
    return cls


def save_state(file: str | Path | BinaryIO, kind: str, state: dict[str, Any]) -> None:
    """Write a state; a file by name is replaced in one step.

    Raises:
        StateError: the state holds something that the format has no word for.
        OSError: the file cannot be written.
    """
    arrays: dict[str, Any] = {}
    body = _encode(state, arrays, "state")
    document = {"format": FORMAT, "version": VERSION, "kind": kind, "state": body}
    # Here, because few programs save and all of them start.
    import json
    import zipfile
    from pathlib import Path

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_MEMBER, json.dumps(document))
        for name, content in arrays.items():
            archive.writestr(name, content if isinstance(content, bytes) else _npy(content))
    if not isinstance(file, str | os.PathLike):
        file.write(buffer.getvalue())
        return
    path = Path(file)
    temporary = path.with_name(path.name + ".part")
    temporary.write_bytes(buffer.getvalue())
    temporary.replace(path)


class SavedState:
    """What a file holds, not decoded yet, so that the class named by ``kind`` can be imported first.

    Attributes:
        kind: the name of the algorithm's class.
    """

    def __init__(self, kind: str, state: object, members: Mapping[str, bytes]) -> None:
        self.kind = kind
        self._state = state
        self._members = members

    def open(self) -> dict[str, Any]:
        """The state. Raises StateError where it is damaged, or holds objects of classes not imported."""
        with _damage_named():
            state: dict[str, Any] = _decode(self._state, self._members)
            return state


def load_state(file: str | Path | BinaryIO) -> SavedState:
    """Read a state.

    Raises:
        StateError: not such a file, damaged, or of a future version.
        OSError: the file cannot be read.
    """
    import json
    import zipfile

    data = _read(file)
    with _damage_named(), zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(member.file_size for member in archive.infolist()) > _MAX_BYTES:
            raise StateError("the saved state is too large")
        document = json.loads(archive.read(_MEMBER))
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise StateError("this is not a saved state")
        version = document.get("version")
        if not isinstance(version, int) or version > VERSION:
            raise StateError(
                f"the state has version {version!r} of a future release; this one reads up to {VERSION}"
            )
        members = {name: archive.read(name) for name in archive.namelist() if name != _MEMBER}
        return SavedState(str(document["kind"]), document["state"], members)


@contextmanager
def _damage_named() -> Iterator[None]:
    """Whatever reading trips over in a damaged file becomes a StateError."""
    import zipfile

    try:
        yield
    except StateError:
        raise
    except (
        zipfile.BadZipFile,
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        EOFError,
        NotImplementedError,
    ) as error:
        raise StateError(f"this is not a saved state, or it is damaged: {error}") from error


def _npy(array: Any) -> bytes:
    import numpy as np

    member = io.BytesIO()
    np.lib.format.write_array(member, array, allow_pickle=False)
    return member.getvalue()


def _read(file: str | Path | BinaryIO) -> bytes:
    if not isinstance(file, str | os.PathLike):
        return file.read()
    with open(file, "rb") as saved:
        return saved.read()


def fingerprint(state: dict[str, Any]) -> str:
    """A digest that is equal for equal states. Raises StateError as :func:`save_state`."""
    import json
    from hashlib import sha256

    arrays: dict[str, Any] = {}
    digest = sha256(json.dumps(_encode(state, arrays, "state")).encode())
    for content in arrays.values():
        if isinstance(content, bytes):
            digest.update(content)
        else:
            digest.update(repr((content.dtype.str, content.shape)).encode() + content.tobytes())
    return digest.hexdigest()


def _tagged(tag: str, value: object) -> dict[str, object]:
    return {"$": tag, "v": value}


def _encode(value: Any, arrays: dict[str, Any], where: str) -> Any:
    """Plain JSON for a value; arrays are put aside under their member names."""
    if value is None or isinstance(value, bool | str) or type(value) in (int, float):
        return value
    if type(value) is bytes:
        return _tagged("bytes", _put_aside(value, arrays, "bytes-{}"))
    if type(value) is list:
        return [_encode(item, arrays, where) for item in value]
    if type(value) in (tuple, set, frozenset, deque):
        return _encode_collection(value, arrays, where)
    if type(value) is dict:
        if all(isinstance(key, str) for key in value) and "$" not in value:
            return {key: _encode(item, arrays, f"{where}.{key}") for key, item in value.items()}
        return _tagged(
            "dict", [[_encode(k, arrays, where), _encode(v, arrays, where)] for k, v in value.items()]
        )
    if isinstance(value, Categorical | Integer | Real):
        return _tagged("parameter", _encode(value.to_dict(), arrays, where))
    if isinstance(value, Context):
        return _tagged("context", _encode(value.to_dict(), arrays, where))
    if isinstance(value, Constraint):
        sides = [[side.factor, side.name, side.offset] for side in (value.left, value.right)]
        return _tagged("constraint", [sides[0], value.operator, sides[1]])
    if isinstance(value, Condition):
        return _tagged("condition", [value.name, value.operator, list(value.values)])
    if _STATEFUL.get(type(value).__name__) is type(value):
        own = value.get_state() if hasattr(value, "get_state") else vars(value)
        return {**_tagged("object", _encode(own, arrays, where)), "class": type(value).__name__}
    return _encode_numpy(value, arrays, where)


def _encode_collection(value: Any, arrays: dict[str, Any], where: str) -> Any:
    if isinstance(value, set | frozenset):
        return _tagged(
            type(value).__name__, [_encode(item, arrays, where) for item in sorted(value, key=repr)]
        )
    items = [_encode(item, arrays, where) for item in value]
    if isinstance(value, deque):
        return {**_tagged("deque", items), "maxlen": value.maxlen}
    return _tagged("tuple", items)


def _put_aside(value: Any, arrays: dict[str, Any], name: str) -> str:
    """The name of the member that will hold the value."""
    member = name.format(len(arrays))
    arrays[member] = value
    return member


def _encode_numpy(value: Any, arrays: dict[str, Any], where: str) -> Any:
    np = sys.modules.get("numpy")
    if np is not None:
        if isinstance(value, np.generic):
            return _encode(value.item(), arrays, where)
        if isinstance(value, np.ndarray) and not value.dtype.hasobject:
            return _tagged("array", _put_aside(value, arrays, "array-{}.npy"))
        if isinstance(value, np.random.Generator):
            return _tagged("generator", _encode(value.bit_generator.state, arrays, where))
    raise StateError(f"{where} is of type {type(value).__name__}, which cannot be saved")


def _decode(value: Any, members: Mapping[str, bytes]) -> Any:
    if isinstance(value, list):
        return [_decode(item, members) for item in value]
    if not isinstance(value, dict):
        return value
    if "$" not in value:
        return {key: _decode(item, members) for key, item in value.items()}
    tag = value["$"]
    if tag == "array":
        return _decode_array(value["v"], members)
    if tag == "bytes":
        return members[value["v"]]
    if tag == "deque":
        return deque(_decode(value["v"], members), value["maxlen"])
    if tag == "object":
        return _decode_object(value["class"], _decode(value["v"], members))
    if tag not in _DECODERS:
        raise StateError(f"the state holds the unknown type {tag!r}")
    return _DECODERS[tag](_decode(value["v"], members))


def _decode_array(name: str, members: Mapping[str, bytes]) -> Any:
    import numpy as np

    return np.lib.format.read_array(io.BytesIO(members[name]), allow_pickle=False)


def _decode_object(name: str, state: Any) -> Any:
    if name not in _STATEFUL:
        raise StateError(f"the state holds an object of the unknown class {name!r}")
    made: Any = object.__new__(_STATEFUL[name])
    if hasattr(made, "set_state"):
        made.set_state(state)
    else:
        vars(made).update(state)
    return made


def _decode_generator(state: dict[str, Any]) -> Any:
    import numpy as np

    known = {"PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"}
    name = state["bit_generator"]
    if name not in known:
        raise StateError(f"the state holds the unknown bit generator {name!r}")
    bit_generator = getattr(np.random, name)()
    bit_generator.state = state
    return np.random.Generator(bit_generator)


_DECODERS: dict[str, Callable[[Any], Any]] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "dict": dict,
    "parameter": parameter_from_dict,
    "context": lambda state: Context(state["data"], state["id"]),
    "constraint": lambda parts: Constraint(Side(*parts[0]), parts[1], Side(*parts[2])),
    "condition": lambda parts: Condition(parts[0], parts[1], tuple(parts[2])),
    "generator": _decode_generator,
}

"""Read the tensors of a PyTorch checkpoint, and nothing else in it, without PyTorch.

The file is the legacy (pre-1.6) ``torch.save`` layout: five pickles (magic number, protocol, system information, the
state dict, the list of storage keys) followed by the raw storages. Only the state dict's pickle names callables; the
unpickler below resolves exactly the names in ``_ALLOWED`` and refuses all others. Before a pickle is loaded, its
operations are checked: only those that torch writes are allowed, with no more memory than the file's own size. A pickle
cannot change what the names refer to, nor the objects they create (tuples, text, objects without attributes).
"""

from __future__ import annotations

import collections
import hashlib
import io
import math
import pickle
import pickletools
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edgeclf.errors import WeightsError

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_LARGEST = 1 << 30  # bytes; the largest backbone has 25 MB

Tensors = dict[str, npt.NDArray[Any]]


class _Storage(NamedTuple):
    """A storage that the pickle refers to; its bytes come later in the file."""

    key: str
    dtype: np.dtype[Any]
    size: int


class _View(NamedTuple):
    """A tensor as a view of a storage."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


class _Rebuild:
    """Replace torch's function with the same arguments; has no attributes that a pickle could set."""

    __slots__ = ()

    def __call__(self, storage: object, offset: object, shape: object, stride: object, *_rest: object) -> _View:
        if not isinstance(storage, _Storage) or not isinstance(offset, int):
            raise pickle.UnpicklingError("a tensor without a storage")
        if not isinstance(shape, tuple) or not isinstance(stride, tuple) or len(shape) != len(stride):
            raise pickle.UnpicklingError("a tensor without a shape")
        if not all(isinstance(n, int) and n >= 0 for n in (offset, *shape, *stride)):
            raise pickle.UnpicklingError("a tensor with a negative or odd shape")
        return _View(storage, offset, shape, stride)


_ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _Rebuild(),
    ("torch", "FloatStorage"): "<f4",
    ("torch", "LongStorage"): "<i8",
}
_DTYPES = ("<f4", "<i8")
# Operations of pickle protocol 2, which torch uses.
# fmt: off
_OPERATIONS = {
    "PROTO", "STOP", "MARK", "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE",
    "GLOBAL", "BINPERSID", "REDUCE", "BUILD", "EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2",
    "TUPLE3", "SETITEM", "SETITEMS", "APPEND", "APPENDS", "BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET",
}
# fmt: on


class _TensorUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is not a tensor") from None

    def persistent_load(self, pid: Any) -> _Storage:
        # ("storage", type, key, location, element count, view metadata)
        if not isinstance(pid, tuple) or len(pid) != 6 or pid[0] != "storage" or pid[1] not in _DTYPES:
            raise pickle.UnpicklingError("an unknown persistent object")
        key, size = pid[2], pid[4]
        if not isinstance(key, str) or not isinstance(size, int) or size < 0:
            raise pickle.UnpicklingError("a storage without key or size")
        return _Storage(key, np.dtype(pid[1]), size)


def read_tensors(path: Path, sha256: str | None = None) -> Tensors:
    """Read the state dict of a legacy ``torch.save`` file as NumPy arrays.

    Args:
        path: the ``.pth`` file.
        sha256: the hexadecimal digest that the file must have; None accepts any file.

    Returns:
        name to array (float32 or int64), in the file's order; arrays own their memory.

    Raises:
        WeightsError: the file is missing, too large or truncated, has another digest, or holds more than tensors.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise WeightsError(f"{path}: larger than {_LARGEST >> 20} MiB, so not the weights of a backbone.")
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror}).") from None
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
        raise WeightsError(f"{path}: its sha256 is not {sha256}. Reinstall the package that provides it.")
    try:
        return _parse(data)
    except (
        pickle.UnpicklingError,
        EOFError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
        OverflowError,
        struct.error,
        MemoryError,
        ImportError,
        RecursionError,
    ) as error:
        raise WeightsError(f"{path}: not a checkpoint of plain tensors ({error}).") from None


def _parse(data: bytes) -> Tensors:
    stream = io.BytesIO(data)
    if _load(stream) != _MAGIC or _load(stream) != _PROTOCOL:
        raise ValueError("not the legacy torch.save layout")
    system = _load(stream)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise ValueError("not little-endian")
    views, keys = _load(stream), _load(stream)
    if not isinstance(views, dict) or not isinstance(keys, list):
        raise ValueError("no state dict")
    announced = {}
    for name, view in views.items():
        if not isinstance(name, str) or not isinstance(view, _View):
            raise ValueError("an entry that is not a named tensor")
        announced[view.storage.key] = view.storage
    storages = {key: _read_storage(stream, announced[key]) for key in keys}
    windows = {name: _window(view, storages[view.storage.key]) for name, view in views.items()}
    if sum(window.size for window in windows.values()) > sum(storage.size for storage in storages.values()):
        raise ValueError("tensors that share their numbers")  # even a small file's could fill the memory
    return {name: np.ascontiguousarray(window).copy() for name, window in windows.items()}


def _load(stream: io.BytesIO) -> Any:
    """Load the next pickle after checking its operations."""
    start = stream.tell()
    for count, (operation, argument, _) in enumerate(pickletools.genops(stream)):
        if operation.name not in _OPERATIONS:
            raise pickle.UnpicklingError(f"it holds the operation {operation.name}, which tensors do not need")
        # The unpickler allocates memory up to the highest memo index.
        if operation.name.endswith("BINPUT") and isinstance(argument, int) and argument > count:
            raise pickle.UnpicklingError("a memo with gaps")
    stream.seek(start)
    return _TensorUnpickler(stream).load()


def _read_storage(stream: io.BytesIO, storage: _Storage) -> npt.NDArray[Any]:
    (count,) = struct.unpack("<q", stream.read(8))
    raw = stream.read(storage.size * storage.dtype.itemsize)
    if count != storage.size or len(raw) != storage.size * storage.dtype.itemsize:
        raise ValueError("a storage is cut")
    return np.frombuffer(raw, storage.dtype)


def _window(view: _View, storage: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a view of a storage with any strides (TensorFlow's kernels are transposed) that stays within it."""
    count = math.prod(view.shape)
    last = view.offset + sum((n - 1) * step for n, step in zip(view.shape, view.stride, strict=True))
    if count > storage.size or (count and last >= storage.size):
        raise ValueError("a tensor reaches beyond its storage")
    strides = tuple(step * storage.itemsize for step in view.stride)
    return np.lib.stride_tricks.as_strided(storage[view.offset :], view.shape, strides, writeable=False)

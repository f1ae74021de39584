"""Change a flatbuffer by appending new vectors and redirecting the offsets of the old ones to them.

Offsets only point forwards, so every table can refer to what is appended, but not the other way round. The old vectors
stay as dead bytes. To keep a file from growing each time it is changed, what was appended the last time is cut off
first: every offset into it is replaced again.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from edgeclf_runtime.errors import ModelError

__all__ = ["Appending"]

_MARK = b"edgeclf:appended"  # as long as the alignment
_ALIGNMENT = 16  # of a vector's values; interpreters expect it for weights
_OFFSET_LIMIT = 1 << 31  # readers of flatbuffers refuse larger files
_SIZES = {"i": 4, "f": 4, "q": 8, "B": 1}


class Appending:
    """A flatbuffer with additions.

    Args:
        content: an intact flatbuffer with nothing after it; it may have been appended to before. Then all offsets into
            the appended part must be replaced.
    """

    def __init__(self, content: bytes) -> None:
        start = content.find(_MARK)
        self._data = bytearray(content if start < 0 else content[:start])
        self._original = len(self._data)
        self._pad(_ALIGNMENT)
        self._data += _MARK

    def content(self) -> bytes:
        """Return the flatbuffer with everything appended."""
        self._pad(_ALIGNMENT)
        return bytes(self._data)

    def vector(self, position: int | None, kind: str, values: Sequence[float] | bytes) -> None:
        """Replace a vector.

        Args:
            position: position of its offset, see ``Table.offset_position``.
            kind: type of its values, as in ``struct``: "i", "f", "q" or "B".
            values: the new values.

        Raises:
            ModelError: there is no such offset.
        """
        self._replace(position, self._vector(kind, values))

    def text(self, position: int | None, text: str) -> None:
        """Replace a string; see ``vector``."""
        data = text.encode()
        self._replace(position, self._vector("B", data + b"\0", len(data)))

    def quantization(self, position: int | None, scales: Sequence[float], zero_points: Sequence[int]) -> None:
        """Replace a tensor's quantization table: one scale and zero point, or one per row.

        Several tensors may share a table, so a new one is written.
        """
        self._pad(4)
        table = len(self._data) + 20
        fields = (0, 0, 4, 8, 0, 0, 0)  # positions in it: the third has the scales, the fourth the zero points
        self._data += struct.pack("<9H2xiII", 18, 12, *fields, 20, 0, 0)
        self._point(table + 4, self._vector("f", scales))
        self._point(table + 8, self._vector("q", zero_points))
        self._replace(position, table)

    def _vector(self, kind: str, values: Sequence[float] | bytes, count: int | None = None) -> int:
        """Append a vector with aligned values, and return its position."""
        self._pad(_ALIGNMENT)
        self._data += bytes(_ALIGNMENT - 4)
        start = len(self._data)
        self._data += struct.pack("<I", len(values) if count is None else count)
        self._data += values if isinstance(values, bytes) else struct.pack(f"<{len(values)}{kind}", *values)
        return start

    def _replace(self, position: int | None, target: int) -> None:
        if position is None or position + 4 > self._original or target - position >= _OFFSET_LIMIT:
            raise ModelError("The file stores a part of its last layer in a way that cannot be replaced.")
        self._point(position, target)

    def _point(self, position: int, target: int) -> None:
        struct.pack_into("<I", self._data, position, target - position)

    def _pad(self, size: int) -> None:
        self._data += bytes(-len(self._data) % size)

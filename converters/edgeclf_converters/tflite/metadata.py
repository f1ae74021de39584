"""Write the TFLITE_METADATA buffer, which MediaPipe, Android Studio and the Task Library read.

Fields are numbered as in TensorFlow's metadata_schema.fbs. It is written here because no package for it can be
installed on current Python versions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import flatbuffers

from edgeclf_converters.frameworks import quiet
from edgeclf_runtime.model.card import ModelCard

__all__ = ["metadata_buffer", "with_metadata"]

_NAME = "TFLITE_METADATA"
_IMAGE, _FEATURE, _NORMALIZATION = 2, 1, 1  # members of unions
_RGB, _AXIS_LABELS = 1, 2

Write = Callable[[flatbuffers.Builder], None]


def metadata_buffer(card: ModelCard) -> bytes:
    """Return the buffer for a classifier with this card: normalization, and ``labels.txt`` as the output's labels."""
    b = flatbuffers.Builder(1024)
    graph = _table(b, 5, {2: _vector(b, [_input(b, card)]), 3: _vector(b, [_output(b)])})
    version = b.CreateString("1.0.0")
    root = _table(b, 8, {0: b.CreateString(card.name), 3: _vector(b, [graph]), 7: version})
    b.Finish(root, b"M001")
    return bytes(b.Output())


def with_metadata(content: bytes, card: ModelCard) -> bytes:
    """Add the buffer to a .tflite flatbuffer."""
    with quiet():
        from tensorflow.lite.python import schema_py_generated as schema
        from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = metadata_buffer(card)
    entry.name, entry.buffer = _NAME, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _input(b: flatbuffers.Builder, card: ModelCard) -> int:
    rule = card.preprocessing
    mean, std = (values[:1] if len(set(values)) == 1 else values for values in (rule.mean, rule.std))
    options = _table(b, 2, {0: _floats(b, mean), 1: _floats(b, std)})
    unit = _table(b, 2, {1: options}, {0: _NORMALIZATION})
    size = _table(b, 2, {}, numbers={0: rule.width, 1: rule.height})
    image = _table(b, 2, {1: size}, {0: _RGB if rule.color == "RGB" else 0})
    content = _table(b, 3, {1: image}, {0: _IMAGE})
    return _table(b, 7, {0: b.CreateString("image"), 3: content, 4: _vector(b, [unit])})


def _output(b: flatbuffers.Builder) -> int:
    file = _table(b, 5, {0: b.CreateString("labels.txt")}, {2: _AXIS_LABELS})
    content = _table(b, 3, {1: _table(b, 0, {})}, {0: _FEATURE})
    return _table(b, 7, {0: b.CreateString("probability"), 3: content, 6: _vector(b, [file])})


def _table(
    b: flatbuffers.Builder,
    fields: int,
    offsets: dict[int, int],
    small: dict[int, int] | None = None,
    numbers: dict[int, int] | None = None,
) -> int:
    """Write a table of fields: offsets to earlier objects, bytes, and unsigned 32-bit numbers."""
    b.StartObject(fields)
    for field, offset in offsets.items():
        b.PrependUOffsetTRelativeSlot(field, offset, 0)
    for field, number in (numbers or {}).items():
        b.PrependUint32Slot(field, number, 0)
    for field, number in (small or {}).items():
        b.PrependUint8Slot(field, number, 0)
    return int(b.EndObject())


def _vector(b: flatbuffers.Builder, offsets: Sequence[int]) -> int:
    b.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        b.PrependUOffsetTRelative(offset)
    return int(b.EndVector())


def _floats(b: flatbuffers.Builder, values: Sequence[float]) -> int:
    b.StartVector(4, len(values), 4)
    for value in reversed(values):
        b.PrependFloat32(value)
    return int(b.EndVector())

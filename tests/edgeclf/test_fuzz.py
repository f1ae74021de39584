"""Generated and damaged files on the desktop: only our errors, no hang, bounded memory, no code run."""

from __future__ import annotations

import pickle
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgeclf.config.file import TABLES, configure
from edgeclf.data.csv_file import read_manifest
from edgeclf.errors import ConfigError, DataError, WeightsError
from edgeclf.model.backbones.torch_weights import read_tensors
from tests.checkpoints import checkpoint
from tests.fuzzing import bounded, fuzz, mutated

MANIFEST = "file,label,part,group\na.png,cat,train,1\nb/c.png,dog,val,\nd.png,cat,test,2\n"
CONFIG = """[train]
data = "photos"
epochs = 20
learning_rate = 1e-3
flip = false
backbone = "efficientnet-lite0"
[export]
max_drop = 0.5
mode = "int8"
[search]
sizes = [96, 128]
tunes = ["head"]
"""


@given(content=mutated(MANIFEST.encode()) | st.text('file,label\n\r"\0a.png/..', max_size=80).map(str.encode))
@example(content=b"file,label\n" + b"x" * 200_000 + b",a\n")
@example(content=b'file,label\n"a\n' * 3)
@example(content=b"file,label\n" + b"a" * 300 + b".png,cat\n")
@fuzz(300)
def test_a_damaged_manifest(content: bytes, tmp_path: Path) -> None:
    for name in ("a.png", "d.png"):
        (tmp_path / name).touch()
    (tmp_path / "photos.csv").write_bytes(content)
    with bounded(64, DataError):
        read_manifest(tmp_path / "photos.csv")


@given(content=mutated(CONFIG.encode()), table=st.sampled_from(sorted(TABLES)))
@example(content=b"a = " + b"[" * 5000, table="train")
@example(content=b"[train]\nepochs = " + b"9" * 5000, table="train")
@example(content=b"[train]\nepochs = 1e999\nvalidation = nan\n", table="train")
@fuzz(300)
def test_a_damaged_config_file(content: bytes, table: str, tmp_path: Path) -> None:
    (tmp_path / "edgeclf.toml").write_bytes(content)
    with bounded(64, ConfigError):
        configure(TABLES[table], {}, tmp_path / "edgeclf.toml")


REBUILD, STORAGE = b"ctorch._utils\n_rebuild_tensor_v2\n", b"ctorch\nFloatStorage\n"


def _tensor(offset: int = 0, shape: tuple[int, ...] = (2, 3), stride: tuple[int, ...] = (3, 1)) -> bytes:
    """Return the pickle operations that create a tensor."""
    number = b"".join
    tuples = [b"(" + number(b"J" + struct.pack("<i", n) for n in values) + b"t" for values in (shape, stride)]
    persistent = b"(X\x07\0\0\0storage" + STORAGE + b"X\x01\0\0\x000X\x03\0\0\0cpuK\x06NtQ"
    return REBUILD + b"(" + persistent + b"J" + struct.pack("<i", offset) + tuples[0] + tuples[1] + b"\x89}tR"


def _state(tensor: bytes) -> bytes:
    return b"\x80\x02}X\x01\0\0\0w" + tensor + b"s."


GOOD = checkpoint(_state(_tensor()))


def _read(tmp_path: Path, content: bytes) -> dict[str, Any]:
    (tmp_path / "w.pth").write_bytes(content)
    return dict(read_tensors(tmp_path / "w.pth"))


def test_the_undamaged_checkpoint_is_accepted(tmp_path: Path) -> None:
    assert _read(tmp_path, GOOD)["w"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert _read(tmp_path, checkpoint(_state(_tensor(1, (2, 2), (1, 3)))))["w"].tolist() == [[1, 4], [2, 5]]


@given(content=mutated(GOOD))
@fuzz(1000)
def test_a_damaged_checkpoint(content: bytes, tmp_path: Path) -> None:
    with bounded(64, WeightsError):
        for tensor in _read(tmp_path, content).values():
            tensor.tobytes()  # access all of it


@pytest.mark.parametrize(
    ("views", "words"),
    [
        (_state(_tensor(0, (2, 3), (-3, 1))), "negative or odd shape"),
        (_state(_tensor(5, (2, 3))), "beyond its storage"),
        (_state(_tensor(0, (2**30, 2**30), (0, 0))), "beyond its storage"),
        (b"\x80\x02}(" + b"".join(b"X\x01\0\0\0" + name + _tensor() for name in (b"a", b"b")) + b"u.", "share their"),
        # Made correctly, then changed by an operation that sets attributes.
        (_state(_tensor() + b"}X\x06\0\0\0stride(J\xfd\xff\xff\xff\x8a\x00tsb"), "not a checkpoint"),
        (_state(_tensor() + b"N}X\x06\0\0\0strideNs\x86b"), "not a checkpoint"),
        (b"\x80\x02" + REBUILD + b"N}X\x0c\0\0\0__defaults__)s\x86b.", "not a checkpoint"),
        (b"\x80\x02" + STORAGE + b"(K\x01X\x01\0\0\0>NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb.", "not a checkpoint"),
        # Memory that no file of this size needs.
        (b"\x80\x02}r\xff\xff\xff\x0f.", "a memo with gaps"),
        (b"\x80\x05\x96\xff\xff\xff\xff\x0f\0\0\0.", "not a checkpoint"),
        (b"\x80\x04\x8e\xff\xff\xff\xff\x0f\0\0\0.", "not a checkpoint"),
        # Names other than a tensor's.
        (pickle.dumps(OrderedDict(a=print), protocol=2), "it names __builtin__.print"),
        (b"\x80\x02cos\nsystem\nX\x04\0\0\0exit\x85R.", "it names os.system"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93X\x04\0\0\0exit\x85R.", "it holds the operation SHORT_BINUNICODE"),
        (b"(S'exit'\nios\nsystem\n.", "it holds the operation"),
    ],
)
def test_a_hostile_checkpoint_is_refused(views: bytes, words: str, tmp_path: Path) -> None:
    defaults = read_tensors.__defaults__
    with bounded(64), pytest.raises(WeightsError, match=words):
        _read(tmp_path, checkpoint(views))
    assert read_tensors.__defaults__ == defaults
    assert np.dtype("float32").byteorder == "="  # which the pickled type stands for
    assert _read(tmp_path, GOOD)["w"].tolist() == [[0, 1, 2], [3, 4, 5]]

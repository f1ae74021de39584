"""TensorFlow's settings before it is imported."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

# Sixty tensors of 64 MiB, one after the other; prints the number of pages that the system had to map for them.
_PROGRAM = """
import resource
from edgeclf_converters.frameworks import tensorflow
tf = tensorflow()
ones = tf.ones([16, 1024, 1024])
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(60):
    assert float((ones + 1.0)[0, 0, 0]) == 2.0
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _pages_mapped(**environment: str) -> int:
    clean = {name: value for name, value in os.environ.items() if name != "TF_ENABLE_ONEDNN_OPTS"}
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], env={**clean, **environment}, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="only x86-64 has the choice")
def test_tensorflow_uses_onednn_unless_turned_off() -> None:
    """oneDNN's allocator keeps the memory of tensors, the C library's does not; this shows which one is in use."""
    ours, theirs = _pages_mapped(), _pages_mapped(TF_ENABLE_ONEDNN_OPTS="0")
    assert ours * 4 < theirs

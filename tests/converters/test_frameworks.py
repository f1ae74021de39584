"""What TensorFlow is told before it starts."""

from __future__ import annotations

import os
import subprocess
import sys

# Sixty tensors of 64 MiB, one after the other; prints the pages that the system had to map for them.
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
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TF_CPU_")}
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], env={**clean, **environment}, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def test_tensorflow_keeps_its_memory_unless_told_otherwise() -> None:
    ours, theirs = _pages_mapped(), _pages_mapped(TF_CPU_ALLOCATOR_USE_BFC="false")
    assert ours * 4 < theirs

"""TensorFlow's errors become one line that says what is kept; limits of processors, locks and disks are respected."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeclf import Quiet, Run, make_config, resume, train
from edgeclf.data import shard_writer
from edgeclf.data.pixel_file import PixelFile
from edgeclf.errors import ComputeError
from edgeclf.framework_errors import tensorflow_errors
from edgeclf.frameworks import tensorflow
from edgeclf.training.finetune import FineTuner
from edgeclf_converters.work_folder import work_folder
from edgeclf_runtime.system.cores import usable_cores
from tests.conftest import SMALL


def test_an_epoch_that_runs_out_of_memory_keeps_the_one_before(
    shallow: None, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    epoch = FineTuner.epoch

    def short(tuner: FineTuner, number: int) -> Iterator[tuple[int, float]]:
        if number:
            tensorflow().zeros([1 << 24, 1 << 24])  # a petabyte
        return epoch(tuner, number)

    monkeypatch.setattr(FineTuner, "epoch", short)
    with pytest.raises(ComputeError) as caught:
        train(digits, tmp_path / "run", make_config(SMALL), Quiet())
    text = str(caught.value)
    assert text.startswith("Out of memory (")
    assert "--batch-size" in text
    assert f"edgeclf train --resume {tmp_path / 'run'}" in text
    assert "\n" not in text
    monkeypatch.setattr(FineTuner, "epoch", epoch)
    assert resume(tmp_path / "run", Quiet()).read_json("metrics")["status"] == "finished"
    assert Run.open(tmp_path / "run").has_arrays("weights")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda tf: tf.cast(tf.constant("1"), tf.float32), "--xla"),  # not implemented in XLA
        (lambda tf: tf.reshape(tf.zeros(3), [2, 2]), "InvalidArgumentError"),
    ],
)
def test_an_error_of_tensorflow_is_one_line(call: Any, message: str) -> None:
    with pytest.raises(ComputeError) as caught, tensorflow_errors(lambda: "All is kept."):
        call(tensorflow())
    text = str(caught.value)
    assert message in text
    assert "{{" not in text
    assert text.endswith(" All is kept.")
    assert "\n" not in text


def test_ctrl_c_and_an_early_error_import_nothing() -> None:
    """An import that Ctrl-C interrupted may still hold a lock."""
    code = """
import sys
from edgeclf.errors import DataError
from edgeclf.framework_errors import tensorflow_errors
for error in (KeyboardInterrupt, DataError("no such folder")):
    try:
        with tensorflow_errors():
            raise error
    except (KeyboardInterrupt, DataError):
        print("tensorflow" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_ctrl_c_while_shards_are_written_imports_nothing(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def imported() -> Any:
        assert sys.exc_info()[0] is None
        return tensorflow()

    def interrupted(*arguments: object) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(shard_writer, "tensorflow", imported)
    monkeypatch.setattr(shard_writer, "_shard", interrupted)
    with pytest.raises(KeyboardInterrupt):
        shard_writer.write_shards(digits, tmp_path / "shards", 25, Quiet())


def test_running_out_of_host_memory_is_one_line() -> None:
    with pytest.raises(ComputeError, match="Out of memory"), tensorflow_errors():
        np.zeros(1 << 60, np.uint8)


def _groups(root: Path, lines: str, files: dict[str, str]) -> Path:
    for name, text in {"proc/self/cgroup": lines, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "ascii")
    return root


def test_processors_are_counted_by_affinity_and_quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)))
    assert usable_cores(tmp_path) == 8
    two = _groups(tmp_path / "2", "0::/app.slice/run\n", {"sys/fs/cgroup/app.slice/cpu.max": "250000 100000\n"})
    assert usable_cores(two) == 3
    (two / "sys/fs/cgroup/app.slice/run").mkdir()
    (two / "sys/fs/cgroup/app.slice/run/cpu.max").write_text("max 100000\n", "ascii")
    assert usable_cores(two) == 3  # the limit of the group above
    box = "sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs"
    one = {f"{box}_quota_us": "50000", f"{box}_period_us": "100000"}
    assert usable_cores(_groups(tmp_path / "1", "4:memory:/box\n3:cpu,cpuacct:/box\n", one)) == 1
    outside = {"sys/fs/cgroup/cpu.max": "400000 100000"}  # a container sees its group as the outermost
    assert usable_cores(_groups(tmp_path / "c", "0::/../../docker/1f\n", outside)) == 4
    monkeypatch.delattr(os, "sched_getaffinity")
    assert usable_cores(tmp_path / "none") == (os.cpu_count() or 1)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no CPU affinity")
def test_a_process_bound_to_one_processor_uses_one() -> None:
    script = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
    script += "from edgeclf_runtime.system.cores import usable_cores; print(usable_cores())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


def test_a_disk_without_locks_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = tmp_path / "left"
    with work_folder(tmp_path / "model.tflite") as folder:
        left = folder.with_name(f"{folder.name}x")
    left.mkdir()

    def refuse(handle: int, kind: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with work_folder(tmp_path / "model.tflite") as folder:
        (folder / "work").write_text("x", "ascii")
    assert not folder.exists()
    assert left.exists()  # its owner is unknown


def test_the_image_cache_works_without_optional_system_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "posix_fallocate")
    monkeypatch.delattr(os, "preadv")
    kept, shown = PixelFile(tmp_path / "pixels", (3, 4, 5)), np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    kept.write(1, shown)
    assert (kept[1] == shown).all()
    assert not kept[0].any()

"""Files written atomically: an error names the target file, never the hidden one."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgeclf_runtime.system.atomic_file import naming, written_beside


@pytest.mark.parametrize("hidden", [".m.work", ".m.work/inner/file", None])
def test_an_error_of_a_hidden_file_names_the_one_that_was_meant(hidden: str | None, tmp_path: Path) -> None:
    folder, path = tmp_path / ".m.work", tmp_path / "m"
    where = None if hidden is None else str(tmp_path / hidden)
    with pytest.raises(OSError, match="full") as caught, naming(path, folder):
        raise OSError(errno.ENOSPC, "full", where)
    assert caught.value.filename == str(path)
    with pytest.raises(OSError, match="gone") as caught, naming(path, folder):
        raise OSError(errno.ENOENT, "gone", str(tmp_path / "other"))
    assert caught.value.filename == str(tmp_path / "other")


def test_a_file_that_may_not_grow_is_named(tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from edgeclf_runtime.system.atomic_file import written_beside\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))\n"
        "with written_beside(Path(sys.argv[1])) as hidden:\n"
        "    hidden.write_bytes(bytes(1000))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "m"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(f"File too large: '{tmp_path / 'm'}'")
    assert not list(tmp_path.iterdir())


def test_a_device_or_pipe_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="a device or pipe") as caught, written_beside(tmp_path / "pipe") as hidden:
        hidden.write_bytes(b"1")
    assert caught.value.filename == str(tmp_path / "pipe")
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]
    assert (tmp_path / "pipe").is_fifo()

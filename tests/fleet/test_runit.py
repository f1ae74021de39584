"""A runit service with the real supervisor: a start means a new process."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgeclf_fleet.roles.edgeclf.module_utils import edgeclf_managers
from edgeclf_fleet.roles.edgeclf.module_utils.edgeclf_layout import Layout
from edgeclf_fleet.roles.edgeclf.module_utils.edgeclf_managers import Runit

pytestmark = pytest.mark.skipif(not shutil.which("runsv"), reason="apt-get install runit")
DEAF = "#!/bin/sh\ntrap '' TERM\necho > ready\nwhile :; do sleep 0.1; done\n"


@contextmanager
def _supervised(folder: Path) -> Iterator[None]:
    with subprocess.Popen(["runsv", str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as supervisor:
        try:
            yield
        finally:
            subprocess.run(["sv", "force-stop", str(folder)], capture_output=True, check=False)
            subprocess.run(["sv", "exit", str(folder)], capture_output=True, check=False)
            supervisor.wait()


def test_a_service_that_does_not_end_is_not_taken_for_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edgeclf_managers, "_PATIENCE", 1)
    manager = Runit(Layout(tmp_path), "edgeclf", {"runit_folder": str(tmp_path / "service")})
    folder = tmp_path / "runit" / "edgeclf"
    for path in (folder, tmp_path / "service"):
        path.mkdir(parents=True)
    (folder / "run").write_text(DEAF, "utf-8")
    (folder / "run").chmod(0o755)
    (tmp_path / "service" / "edgeclf").symlink_to(folder)
    with _supervised(folder):
        until = time.monotonic() + 60
        while not (folder / "ready").exists():
            assert time.monotonic() < until, "it did not start"
            time.sleep(0.05)
        before, file = manager.process(), (folder / "run").stat().st_ino
        manager.restore(DEAF)
        assert manager.process() not in (0, before)
        assert (folder / "run").stat().st_ino == file, "what is the same is not written, as the disk may be full"

"""What killed deployments left on a device is removed by the next one, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from edgeclf_fleet.roles.edgeclf.module_utils import edgeclf_leftovers

_MODULE = """
import sys
import time
from pathlib import Path
sys.path.insert(0, {folder!r})
from module_utils.edgeclf_leftovers import remove_leftovers
remove_leftovers(Path(sys.argv[1]))
"""


def test_only_what_is_ours_and_not_in_use_is_removed(tmp_path: Path) -> None:
    jobs, temporary = tmp_path / "jobs", tmp_path / "tmp"
    files = ("lost/.source.tar", "killed/AnsiballZ_edgeclf_release.py", "others/AnsiballZ_copy.py", "mine/module.py")
    for name in files:
        (temporary / f"ansible-tmp-{name}").parent.mkdir(parents=True)
        (temporary / f"ansible-tmp-{name}").touch()
    for name in ("notes", "ansible-tmp-starting", "ansible-tmp-abandoned"):
        (temporary / name).mkdir()
    os.utime(temporary / "ansible-tmp-abandoned", (time.time() - 3600,) * 2)
    jobs.mkdir()
    for name in ("j81818181.1", "j92929292.2"):
        (jobs / name).touch()
    own = temporary / "ansible-tmp-mine/module.py"
    own.write_text(_MODULE.format(folder=str(Path(edgeclf_leftovers.__file__).parents[1])), "utf-8")
    (own.parent / ".source.tflite").touch()
    killed = tmp_path / "ansible_edgeclf_release_payload_x"
    killed.mkdir()
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    other = [sys.executable, "-c", "input()", "/x/ansible-tmp-another/AnsiballZ_edgeclf_release.py"]
    with subprocess.Popen(other, stdin=subprocess.PIPE) as process:  # it may be importing from that folder
        subprocess.run([sys.executable, own, jobs, "j92929292"], check=True, env=environment)
        assert killed.exists()
        process.communicate(b"\n")
    until = time.monotonic() + 300  # a deployment to another device may be running here
    while killed.exists():
        assert time.monotonic() < until, "it stays"
        subprocess.run([sys.executable, own, jobs, "j92929292"], check=True, env=environment)
    left = {"ansible-tmp-others", "ansible-tmp-mine", "ansible-tmp-starting", "notes"}
    assert {path.name for path in temporary.iterdir()} == left
    assert [path.name for path in jobs.iterdir()] == ["j92929292.2"]


def test_a_job_that_is_about_to_end_is_waited_for(tmp_path: Path) -> None:
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    for name in ("j70707070.1", "j92929292.2"):
        (jobs / name).touch()
    own = tmp_path / "module.py"
    own.write_text(_MODULE.format(folder=str(Path(edgeclf_leftovers.__file__).parents[1])), "utf-8")
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1)", "j70707070"]):
        subprocess.run([sys.executable, own, jobs, "j92929292"], check=True, env=environment)
    assert [path.name for path in jobs.iterdir()] == ["j92929292.2"]

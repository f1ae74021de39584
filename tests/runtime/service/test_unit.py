"""The text of a systemd unit, checked by systemd itself."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgeclf_runtime.errors import UsageError
from edgeclf_runtime.service.unit import MARK, Unit

ODD = """it's 100% $HOME "x" \\n;#"""

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed: apt-get install systemd"
)


def _analyzed(text: str, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    path = folder / "edgeclf-test.service"
    path.write_text(text, "utf-8")
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder), "SYSTEMD_COLORS": "0"}
    command = ["systemd-analyze", *words, str(path)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def _unit(folder: Path, personal: bool) -> Unit:
    """Return a unit with unusual paths and an existing program, which systemd requires."""
    program = folder / "100% of it; #" / "python"
    if not program.exists():
        program.parent.mkdir(parents=True)
        program.symlink_to(sys.executable)
    command = (str(program), "run", str(folder / ODD / "model.tflite"))
    writes = (folder / ODD / "kept", Path("/var/log/edgeclf x"), Path("/var/lib/edgeclf/a"))
    return Unit(
        command,
        folder / ODD,
        (),
        writes,
        "daemon",
        ("video",),
        "512M",
        (("A", ODD),),
        personal,
        secret=(folder / ODD / "run.toml",),
    )


@needs_systemd
@pytest.mark.parametrize("personal", [False, True])
def test_systemd_takes_the_unit_whatever_the_paths(personal: bool, tmp_path: Path) -> None:
    words = ("verify", "--man=no", *(["--user"] if personal else []))
    text = _unit(tmp_path, personal).text()
    done = _analyzed(text, tmp_path, *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert ("LoadCredential=" in text) != personal
    wrong = _analyzed(text.replace("100%%", "100%h"), tmp_path, *words)  # it does check
    assert wrong.returncode or wrong.stderr


@needs_systemd
def test_the_unit_lets_it_do_little(tmp_path: Path) -> None:
    unit = Unit(("/usr/bin/python3",), Path("/srv"), (), (Path("/var/lib/edgeclf"),), "daemon", ("video", "plugdev"))
    done = _analyzed(unit.text(), tmp_path, "security", "--offline=true", "--threshold=20")
    if "unrecognized option" in done.stderr:
        pytest.skip("systemd-analyze checks single files from systemd 250 on")
    assert done.returncode == 0, done.stdout
    assert "StateDirectory=edgeclf\n" in unit.text()


def test_what_a_unit_says_follows_from_its_paths(tmp_path: Path) -> None:
    plain = Unit(("/usr/bin/python3", "-m", "x"), Path("/srv"), user="pi", groups=("video",)).text()
    assert plain.startswith(MARK)
    assert all(
        line in plain
        for line in ("ProtectHome=yes", "PrivateTmp=yes", "SupplementaryGroups=video", "User=pi", "WatchdogSec=30")
    )
    assert "RestartSteps" not in plain
    assert "StateDirectory" not in plain
    assert "StateDirectory=edgeclf-models/x" in Unit(("/a",), Path("/srv"), state="edgeclf-models/x").text()
    assert "RestartSteps=6" in Unit(("/a",), Path("/srv"), version=257).text()
    home = Unit(("/home/pi/env/bin/python",), Path("/tmp/x")).text()
    assert "ProtectHome=read-only" in home
    assert "PrivateTmp" not in home
    assert "DynamicUser=yes" in home
    assert "LoadCredential" not in Unit(("/a",), Path("/srv"), version=246, secret=(Path("/srv/run.toml"),)).text()
    own = Unit(("/a",), Path("/srv"), personal=True).text()
    assert not re.search("User=|ProtectHome|DeviceAllow|ReadWritePaths", own)
    with pytest.raises(UsageError, match="cannot hold"):
        Unit(("/a\nExecStartPre=/bin/evil",), Path("/srv"))
    with pytest.raises(UsageError, match="quotes or"):
        Unit(('/a"b',), Path("/srv"))
    with pytest.raises(UsageError, match="such as 512M"):
        Unit(("/a",), Path("/srv"), memory="lots")

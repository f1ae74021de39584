"""What a service's user may read and write."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from edgeclf_runtime.errors import ServiceError
from edgeclf_runtime.service.permissions import Person, person
from edgeclf_runtime.service.plan import check_access, made_folders
from edgeclf_runtime.service.unit import Unit
from tests.runtime.service_machine import needs_root


@needs_root
def test_access_is_seen_as_the_kernel_sees_it(tmp_path: Path) -> None:
    code = (
        "import json, os, sys; os.setgroups([]); os.setgid(2); os.setuid(2)\n"
        "print(json.dumps([os.access(p, os.W_OK | os.X_OK) for p in json.load(sys.stdin)]))"
    )
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if parent.name.startswith(("pytest", "popen")):  # the latter with tests in several processes
            parent.chmod(0o755)
    folders = []
    for number, (owner, group, outer, inner) in enumerate(product((0, 2), (0, 2), (0o755, 0o750), (0o775, 0o757))):
        folder = tmp_path / str(number) / "in"
        folder.mkdir(parents=True)
        for path, mode in ((folder, inner), (folder.parent, outer)):
            os.chown(path, owner, group)
            path.chmod(mode)
        folders.append(folder)
    asked = json.dumps([str(folder) for folder in folders])
    done = subprocess.run([sys.executable, "-c", code], input=asked, capture_output=True, text=True, check=True)
    who = Person("bin", 2, (2,))
    assert [who.may_write(folder) for folder in folders] == json.loads(done.stdout)
    assert len(set(json.loads(done.stdout))) == 2
    assert person("root").may_read(tmp_path / "0")
    assert not Person().may_read(tmp_path / "none")
    with pytest.raises(ServiceError, match="No user"):
        person("nobody-here")


@needs_root
def test_folders_are_made_for_whom_the_service_runs_as(tmp_path: Path) -> None:
    writes = (tmp_path / "a" / "b", tmp_path / "there", Path("/var/lib/edgeclf-none"))
    (tmp_path / "there").mkdir(mode=0o700)
    unit, who = Unit(("/usr/bin/python3",), Path("/"), writes=writes), Person("daemon", 1, (1,))
    assert made_folders(unit, who) == [tmp_path / "a" / "b"]
    assert [(tmp_path / name).stat().st_uid for name in ("a", "a/b", "there")] == [1, 1, 0]
    assert not writes[2].exists()
    with pytest.raises(ServiceError, match="daemon may not write there"):
        check_access(unit, who)
    config = tmp_path / "run.toml"
    config.touch(0o600)
    check_access(Unit(("/a",), Path("/"), secret=(config,)), who)  # systemd reads it
    with pytest.raises(ServiceError, match=r"run\.toml: daemon may not read it"):
        check_access(Unit(("/a",), Path("/"), secret=(config,), version=246), who)
    with pytest.raises(ServiceError, match="folders of its own in /var/lib"):
        check_access(Unit(("/a",), Path("/"), writes=(Path("/srv/none"),)), Person())

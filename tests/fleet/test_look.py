"""The findings of look.py, run as on a device."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import edgeclf_fleet

LOOK = Path(edgeclf_fleet.__file__).parent / "roles" / "edgeclf" / "files" / "look.py"


@pytest.fixture
def asked(tmp_path: Path) -> dict[str, Any]:
    """A deployment that this machine could accept."""
    return {
        "root": str(tmp_path / "root"),
        "manager": "none",
        "runit_folder": str(tmp_path / "service"),
        "become": False,
        "has_become_password": False,
        "has_config": True,
        "system_packages": "auto",
        "version": "0.1.0",
        "model_digest": hashlib.sha256(b"model").hexdigest(),
        "model_bytes": 1000,
        "model_time": time.time(),
        "archive_bytes": 1000,
        "environment_digest": "1" * 64,
        "environment_bytes": 1000,
        "offline": False,
        "wheels": [],
        "now": time.time(),
    }


def _found(asked: dict[str, Any], python: str = sys.executable, **options: Any) -> dict[str, Any]:
    done = subprocess.run(
        [python, str(LOOK), json.dumps(asked)], capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.removeprefix("EDGECLF "))
    return found


def test_a_suitable_device_lacks_nothing(asked: dict[str, Any], tmp_path: Path) -> None:
    found = _found(asked)
    assert found["lacks"] == []
    assert found["present"] == {"environment": False, "model": False}
    (tmp_path / "root" / "environments" / found["environment"]).mkdir(parents=True)
    assert not _found(asked)["present"]["environment"]  # interrupted before it was complete
    (tmp_path / "root" / "environments" / found["environment"] / "complete").touch()
    (tmp_path / "root" / "models").mkdir()
    model = tmp_path / "root" / "models" / f"{asked['model_digest']}.tflite"
    model.write_bytes(b"damaged")
    assert _found(asked)["present"] == {"environment": True, "model": False}
    model.write_bytes(b"model")
    assert _found(asked)["present"] == {"environment": True, "model": True}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"environment_bytes": 1 << 60}, r"MB free, \d+ MB needed\. Free some, or set edgeclf_root"),
        ({"model_time": time.time() + 200_000}, r"The clock says .*, before the model was made .* sudo date -s"),
        (
            {"manager": "runit", "runit_folder": "/nowhere"},
            "runit is not installed: sudo apt|/nowhere: no such",
        ),
        (
            {"has_config": False, "manager": "runit"},
            "No service is deployed yet. Give its settings: --config",
        ),
    ],
)
def test_each_lack_is_a_sentence_with_the_way_out(asked: dict[str, Any], change: dict[str, Any], text: str) -> None:
    asked.update(change)
    assert any(re.search(text, lack) for lack in _found(asked)["lacks"])


@pytest.mark.skipif(Path("/run/systemd/system").is_dir(), reason="systemd runs on this machine")
def test_a_device_without_systemd_is_told_of_others(asked: dict[str, Any]) -> None:
    asked["manager"] = "systemd"
    assert _found(asked)["lacks"] == [
        "systemd is not running. Set edgeclf_service_manager to runit, or to none for no service."
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
def test_rights_are_asked_for_before_anything_is_written(asked: dict[str, Any], tmp_path: Path) -> None:
    nobody = {"user": 65534, "group": 65534, "extra_groups": [], "cwd": "/", "env": {"PATH": "/usr/bin:/bin"}}
    python = Path("/usr/bin/python3")
    if not python.exists():
        pytest.skip("no Python that another user may run")
    command = [str(python), "-", json.dumps({**asked, "root": "/opt/edgeclf/below"})]
    done = subprocess.run(command, input=LOOK.read_text(), capture_output=True, text=True, check=True, **nobody)
    assert "65534 may not write to /opt" in done.stdout
    command[-1] = json.dumps({**asked, "become": True})
    done = subprocess.run(command, input=LOOK.read_text(), capture_output=True, text=True, check=True, **nobody)
    assert "--ask-become-pass" in done.stdout or "There is no sudo" in done.stdout


def test_a_wheel_for_another_processor_is_refused(asked: dict[str, Any]) -> None:
    own = "cp{}{}".format(*sys.version_info[:2])
    good = [f"{name}-1.0-{own}-{own}-manylinux_2_28_{os.uname().machine}.whl" for name in ("numpy", "ai_edge_litert")]
    good += ["click-8.1-py3-none-any.whl", f"opencv_python_headless-4.1-cp37-abi3-linux_{os.uname().machine}.whl"]
    asked.update(offline=True, wheels=good)
    assert _found(asked)["lacks"] == []
    asked["wheels"] = [name.replace(os.uname().machine, "sparc64") if "numpy" in name else name for name in good]
    (lack,) = _found(asked)["lacks"]
    assert lack.startswith(f"The offline folder has no wheel of numpy for {os.uname().machine}, Python 3.")
    assert "sparc64.whl" in lack
    asked["wheels"] = [good[0], *good[2:]]
    assert any("no wheel of ai-edge-litert or tflite-runtime" in lack for lack in _found(asked)["lacks"])


@pytest.mark.parametrize("version", ["3.6", "3.7", "3.8"])
def test_an_old_python_is_told_so(version: str, asked: dict[str, Any]) -> None:
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    python = next(versions.glob(f"{version}.*/bin/python"), None)
    if python is None:
        pytest.skip(f"no Python {version} on this machine")
    (lack,) = _found(asked, str(python))["lacks"]
    assert lack.startswith(f"Python {version} is too old: 3.9 or newer is needed.")


@pytest.mark.parametrize(
    ("key", "is_there", "needs"),
    [(None, False, False), (None, True, True), (True, False, True), (False, True, False)],
    ids=["none", "kept", "brought", "removed"],
)
def test_signatures_are_needed_while_there_is_a_key(
    key: bool | None, is_there: bool, needs: bool, asked: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "root/current").mkdir(parents=True)
    if is_there:
        (tmp_path / "root/current/trusted.pub").touch()
    found = _found({**asked, "key": key, "signed_environment_digest": "2" * 64})
    assert found["needs_signatures"] == needs
    assert found["environment"].endswith("2" * 12 if needs else "1" * 12)

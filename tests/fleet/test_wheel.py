"""A wheel made from the installed runtime."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

import edgeclf_runtime
from edgeclf_fleet import FleetError
from edgeclf_fleet.bundle import make_bundle
from edgeclf_fleet.wheel import write_wheel


def test_a_wheel_has_all_files_of_the_package_with_their_digests(tmp_path: Path) -> None:
    path = write_wheel("edgeclf-runtime", tmp_path)
    assert path.name == f"edgeclf_runtime-{edgeclf_runtime.__version__}-py3-none-any.whl"
    folder = Path(edgeclf_runtime.__file__).parent
    files = {file for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts}
    with zipfile.ZipFile(path) as wheel:
        names = set(wheel.namelist())
        assert {f"edgeclf_runtime/{file.relative_to(folder)}" for file in files} <= names
        record = next(name for name in names if name.endswith("/RECORD"))
        rows = list(csv.reader(io.StringIO(wheel.read(record).decode())))
        assert {row[0] for row in rows} == names
        for name, digest, _ in rows:
            if digest:
                own = base64.urlsafe_b64encode(hashlib.sha256(wheel.read(name)).digest()).rstrip(b"=").decode()
                assert digest == f"sha256={own}", name
        entry_points = next(name for name in names if name.endswith("/entry_points.txt"))
        assert "edgeclf = edgeclf_runtime.cli:main" in wheel.read(entry_points).decode()


def test_what_is_not_installed_is_named(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match=r"edgeclf-nothing is not installed here.*--wheels"):
        write_wheel("edgeclf-nothing", tmp_path)


def test_a_bundle_is_the_same_for_the_same_files(kept_model: Path, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one, two = (make_bundle(kept_model, tmp_path / name) for name in ("one", "two"))
    assert (one.model_digest, one.archive_digest) == (two.model_digest, two.archive_digest)
    with tarfile.open(one.archive) as archive:
        assert archive.getnames() == list(one.wheels) == [f"edgeclf_runtime-{one.version}-py3-none-any.whl"]


def test_folders_without_the_runtime_are_refused_or_completed(kept_model: Path, tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / "numpy-2.4.0-cp311-cp311-manylinux_2_28_aarch64.whl").write_bytes(b"")
    with pytest.raises(FleetError, match="no wheel of the runtime"):
        make_bundle(kept_model, tmp_path, wheels=wheels)
    bundle = make_bundle(kept_model, tmp_path, offline=wheels)  # the runtime's is made from the installed one
    assert (len(bundle.wheels), bundle.offline) == (2, True)
    for version in ("0.1.0", "0.2.0"):
        (wheels / f"edgeclf_runtime-{version}-py3-none-any.whl").write_bytes(b"")
    with pytest.raises(FleetError, match=r"Several versions of the runtime \(0.1.0, 0.2.0\)"):
        make_bundle(kept_model, tmp_path, wheels=wheels)

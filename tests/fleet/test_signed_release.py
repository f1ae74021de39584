"""A device that was given a key installs models signed by the key, and no others, also later."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import tomllib
from click.testing import CliRunner

from edgeclf_fleet.roles.edgeclf.module_utils.edgeclf_condition import condition, updates_kept
from edgeclf_fleet.roles.edgeclf.module_utils.edgeclf_deploying import deploy
from edgeclf_fleet.roles.edgeclf.module_utils.edgeclf_former import find_former, roll_back
from edgeclf_fleet.roles.edgeclf.module_utils.edgeclf_layout import Layout, ReleaseError
from edgeclf_fleet.roles.edgeclf.module_utils.edgeclf_managers import Manager
from edgeclf_fleet.roles.edgeclf.module_utils.edgeclf_wanted import Wanted
from edgeclf_runtime.cli import cli
from edgeclf_runtime.system.state_folder import kept_beside
from edgeclf_runtime.trust.keys import SigningKey, TrustedKeys
from edgeclf_runtime.trust.sealing import split, unsigned
from edgeclf_runtime.trust.statement import MODEL
from edgeclf_runtime.updates.last_good import LastGood, version
from tests.model_files import variant
from tests.signing import key_pairs, sign_model

Bring = Callable[..., tuple[bool, str]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A device without a service, whose environment is this Python's."""
    layout = Layout(tmp_path / "root")
    layout.make()
    python = layout.environments / "here" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n', "utf-8")
    python.chmod(0o755)
    (layout.environments / "here" / "complete").touch()
    return layout.root


@pytest.fixture
def bring(root: Path) -> Bring:
    """Return a function that deploys a model file to the device."""

    def brought(model: Path, check: bool = False, **given: object) -> tuple[bool, str]:
        content = model.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        (root / "incoming").mkdir(exist_ok=True)
        (root / "incoming" / f"{digest}.tflite").write_bytes(content)
        wanted = Wanted(
            root=root,
            service="edgeclf",
            manager="none",
            runit_folder="",
            run_as="",
            memory_limit="",
            python=sys.executable,
            environment="here",
            system_packages=False,
            archive_digest="",
            offline=False,
            extras=[],
            version="0",
            model_name=model.stem,
            model_digest=digest,
            config="",
            watch_seconds=0,
            start_seconds=0,
            latency_ms=0,
        )
        return deploy(replace(wanted, **given), check)

    return brought


@pytest.fixture
def go_back(root: Path) -> Callable[..., tuple[bool, str]]:
    """Return a function that rolls the device back, and signs if it is given a key."""

    def gone_back(to: str = "", key: Path | None = None, check: bool = False) -> tuple[bool, str]:
        given = {
            "root": root,
            "service": "edgeclf",
            "manager": "none",
            "runit_folder": "",
            "run_as": "",
            "memory_limit": "",
            "watch_seconds": 0,
            "start_seconds": 0,
            "latency_ms": 0,
        }
        statements = {}
        if key is not None:
            digest = find_former(Layout(root), to).digest
            statement = SigningKey(key, lambda: "").statement(MODEL, digest, int(time.time() * 1000) + 1000)
            statements = {digest: statement.to_bytes().decode()}
        return roll_back(given, to, statements, check)

    return gone_back


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return key_pairs(tmp_path) / "mine"


def test_a_device_with_a_key_refuses_what_it_has_not_signed(
    root: Path, bring: Bring, kept_model: Path, key: Path, tmp_path: Path
) -> None:
    public = Path(f"{key}.pub").read_text("utf-8")
    older = sign_model(kept_model, key, tmp_path / "older")
    one = sign_model(older, key, tmp_path / "one")  # from a signed file, so it is newer even in the same millisecond
    config = 'source = "a"\ntrusted_key = "mine"\n[gate]\nmax_fps = 5\n'
    assert bring(kept_model, config=config)[1].startswith("holds model (")
    assert "refuse models that the key has not signed" in bring(one, check=True, key=public)[1]
    assert bring(one, key=public)[0]
    current = root / "current"
    settings = tomllib.loads((current / "run.toml").read_text("utf-8"))
    assert settings == {"source": "a", "gate": {"max_fps": 5}, "trusted_key": str(current.resolve() / "trusted.pub")}
    assert (current / "trusted.pub").read_text("utf-8") == public.strip()
    for words in ({"key": public}, {}, {"config": config}):
        assert bring(one, **words) == (False, f"nothing to do: holds one ({_digest(one)[:8]}) with edgeclf 0")
    other = sign_model(kept_model, tmp_path / "other", tmp_path / "by another")
    forged = tmp_path / "forged"
    signed = one.read_bytes()
    forged.write_bytes(signed[:-3] + (b"11\n" if signed.endswith(b"00\n") else b"00\n"))
    for model, reason in (
        (kept_model, "is not signed"),
        (other, "signed by another key"),
        (forged, "its signature is forged"),
        (older, "older than the model that was in use"),
    ):
        with pytest.raises(
            ReleaseError, match=rf"the model fails its check on the device: .*{reason}.* is still in use\.$"
        ):
            bring(model)
        assert (current / "model.tflite").read_bytes() == one.read_bytes()
    changed = variant(kept_model, tmp_path / "new", card=lambda text: json.dumps({**json.loads(text), "name": "new"}))
    assert bring(sign_model(changed, key, tmp_path / "two"))[0]
    assert (current / "trusted.pub").exists()
    assert (current / "run.toml").read_text("utf-8").count("trusted_key") == 1
    assert "accept unsigned models" in bring(kept_model, check=True, key="none")[1]
    assert bring(kept_model, key="none")[0]
    assert "trusted_key" not in (current / "run.toml").read_text("utf-8")
    assert not (current / "trusted.pub").exists()


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_model_that_the_key_has_not_signed_is_refused_before_any_device(
    kept_model: Path, key: Path, tmp_path: Path
) -> None:
    (tmp_path / "run.toml").write_text('source = "0"\nupdate = "https://example.org"\n', "utf-8")
    words = ["deploy", str(kept_model), "pi@nowhere.invalid", "--key"]
    words[3:3] = ["--config", str(tmp_path / "run.toml")]  # the key that updates require is copied, too
    done = CliRunner().invoke(cli, [*words, f"{key}.pub"])
    assert (done.exit_code, "is not signed, but" in done.output) == (1, True), done.output
    done = CliRunner().invoke(cli, [*words, str(key)])  # a private key stands for the public one next to it
    assert (done.exit_code, f"but {key}.pub requires a signature" in done.output) == (1, True), done.output
    Path(f"{key}.pub").unlink()
    done = CliRunner().invoke(cli, [*words, str(key)])
    assert (done.exit_code, "a private key, which only the signer may have" in done.output) == (2, True)


def test_a_device_goes_back_to_its_former_release_and_a_second_run_changes_nothing(
    root: Path, bring: Bring, go_back: Bring, kept_model: Path, tmp_path: Path
) -> None:
    two = variant(kept_model, tmp_path / "two", card=lambda text: text)
    with pytest.raises(ReleaseError, match="nothing is deployed here"):
        go_back()
    bring(kept_model, config='source = "a"\n')
    with pytest.raises(ReleaseError, match="no previous release is kept on this device; deploy its model instead"):
        go_back()
    bring(two, config='source = "b"\n')
    current = root / "current"
    assert go_back(check=True)[1] == f"would install model ({_digest(kept_model)[:8]}), change the settings"
    assert (current / "model.tflite").read_bytes() == two.read_bytes()
    changed, text = go_back()
    assert (changed, text.startswith("holds model ("), "previously two (" in text) == (True, True, True)
    assert (current / "model.tflite").read_bytes() == kept_model.read_bytes()
    assert (current / "run.toml").read_text("utf-8") == 'source = "a"\n'
    present = f"nothing to do: model ({_digest(kept_model)[:8]}) is already in use."
    assert go_back() == go_back(_digest(kept_model)[:8]) == (False, present)
    assert go_back(_digest(two)[:10])[0]  # by its digest it goes forward again
    with pytest.raises(ReleaseError, match=r"no release with the model abc123 is kept on this device, only .*two \("):
        go_back("abc123")


def test_going_back_to_an_older_signed_model_needs_a_new_signature(
    root: Path, bring: Bring, go_back: Bring, kept_model: Path, key: Path, tmp_path: Path
) -> None:
    one = sign_model(kept_model, key, tmp_path / "one")
    two = variant(kept_model, tmp_path / "v", card=lambda text: text)
    two = sign_model(sign_model(two, key, tmp_path / "two"), key, tmp_path / "two")
    bring(one, key=Path(f"{key}.pub").read_text("utf-8"))
    bring(two)
    current = root / "current"
    with pytest.raises(
        ReleaseError, match=r"this device accepts signed models only, and none signed before .* --key KEY"
    ):
        go_back()
    with pytest.raises(ReleaseError, match=r"signed by another key .* is still in use\.$"):
        go_back(key=tmp_path / "other")
    assert (current / "model.tflite").read_bytes() == two.read_bytes()
    assert go_back(key=key)[0]
    content = (current / "model.tflite").read_bytes()
    assert unsigned(content) == kept_model.read_bytes()
    assert TrustedKeys(current / "trusted.pub").check("it", content).version > split(two.read_bytes())[1].version
    assert go_back() == (False, f"nothing to do: one ({hashlib.sha256(content).hexdigest()[:8]}) is already in use.")


def test_a_former_model_that_was_never_signed_is_not_signed_by_going_back(
    bring: Bring, go_back: Bring, kept_model: Path, key: Path, tmp_path: Path
) -> None:
    bring(kept_model)
    bring(sign_model(kept_model, key, tmp_path / "signed"), key=Path(f"{key}.pub").read_text("utf-8"))
    with pytest.raises(ReleaseError, match="the previous one was never signed: sign its file and deploy it"):
        go_back()


def test_what_a_switch_that_was_cut_off_brought_is_not_taken_over(
    root: Path, bring: Bring, kept_model: Path, key: Path, tmp_path: Path
) -> None:
    layout, public = Layout(root), Path(f"{key}.pub").read_text("utf-8")
    models = [sign_model(kept_model, key, tmp_path / name) for name in ("one", "two", "three")]
    bring(models[0], config='source = "a"\n', key=public)
    before = layout.current
    bring(models[1], config='source = "b"\n', key="none")
    layout.note_pending(before, None)  # as if killed before it was settled
    bring(models[2])
    settings = tomllib.loads((layout.link / "run.toml").read_text("utf-8"))
    assert settings == {"source": "a", "trusted_key": str(layout.link.resolve() / "trusted.pub")}


def test_a_switch_that_cannot_be_noted_leaves_nothing(
    root: Path, bring: Bring, kept_model: Path, tmp_path: Path
) -> None:
    bring(kept_model, config='source = "a"\n')
    before = sorted(path for path in root.rglob("*") if path.name != "incoming")
    (root / ".pending.json.new").mkdir()  # in its place a full disk, which nobody can write to either
    with pytest.raises(OSError, match="pending"):
        bring(variant(kept_model, tmp_path / "two", card=lambda text: text))
    (root / ".pending.json.new").rmdir()
    assert sorted(path for path in root.rglob("*") if path.name != "incoming") == before


def test_the_updates_of_a_service_are_found(tmp_path: Path, kept_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout, state = Layout(tmp_path / "root"), tmp_path / "edgeclf-models" / "edgeclf"
    state.mkdir(parents=True)
    monkeypatch.setenv("STATE_DIRECTORY", str(state))
    folder, stem = kept_beside(layout.link / "model.tflite")
    arrived = folder / f"{stem}-update.tflite"
    for model in (layout.link / "model.tflite", arrived):  # a copy of the deployed model is not an update
        model.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(kept_model, model)
        LastGood(model).keep(version(model), ["a"])
    arrived.unlink()
    assert updates_kept(layout, state) == [LastGood(arrived).find()]


def test_root_imports_nothing_from_a_folder_of_others(
    root: Path,
    bring: Bring,
    go_back: Bring,
    kept_model: Path,
    key: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layout = Layout(root)
    bring(kept_model)
    for folder in (layout.data, tmp_path / "home"):  # of the service's user, and of the user who connects
        folder.mkdir(exist_ok=True)
        for name in ("edgeclf_runtime", "click", "json"):
            (folder / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'a').write({name!r})\n", "utf-8")
    monkeypatch.chdir(tmp_path / "home")
    signed = sign_model(kept_model, key, tmp_path / "signed")
    bring(signed, key=Path(f"{key}.pub").read_text("utf-8"))
    find_former(layout)
    assert condition(layout, Manager(layout, "edgeclf", {}))["golden"] == "ok"
    assert not (tmp_path / "ran").exists()

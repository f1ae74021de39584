"""The folders of a device, and the link that is switched."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from edgeclf_fleet.roles.edgeclf.module_utils.edgeclf_layout import Layout, ReleaseError

MODELS = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("one", "two", "three")}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A device with three releases, each with its own model and environment; the second is the current one."""
    layout = Layout(tmp_path / "root")
    layout.make()
    for name, digest in MODELS.items():
        (layout.incoming / f"{digest}.tflite").write_text(name)
        layout.take_model(digest)
        (layout.environments / name).mkdir()
        layout.write_release(name, name, digest, "password = 'x'\n", {"name": name})
    layout.switch("two")
    return layout


def test_the_link_leads_to_a_release_with_its_model(layout: Layout) -> None:
    assert layout.current == "two"
    assert (layout.link / "model.tflite").read_text() == "two"
    layout.switch("one")
    assert (layout.link / "model.tflite").read_text() == "one"
    assert oct((layout.link / "run.toml").stat().st_mode)[-3:] == "600"
    layout.switch("")
    assert (layout.current, layout.link.exists()) == ("", False)


def test_tidying_keeps_what_the_kept_releases_use(layout: Layout) -> None:
    layout.tidy(["two", "one", ""])
    assert sorted(os.listdir(layout.releases)) == sorted(os.listdir(layout.environments)) == ["one", "two"]
    assert sorted(os.listdir(layout.models)) == sorted(f"{MODELS[name]}.tflite" for name in ("one", "two"))
    assert not layout.incoming.exists()


def test_a_root_with_nothing_in_use_is_removed_but_for_what_the_service_wrote(layout: Layout) -> None:
    layout.remove_if_unused()
    assert layout.current == "two"
    (layout.data / "answers.jsonl").touch()
    layout.switch("")
    layout.remove_if_unused()
    assert os.listdir(layout.root) == ["data"]
    (layout.data / "answers.jsonl").unlink()
    layout.remove_if_unused()
    assert not layout.root.exists()


def test_a_model_that_arrives_damaged_is_refused_and_removed(layout: Layout) -> None:
    digest = hashlib.sha256(b"four").hexdigest()
    (layout.incoming / f"{digest}.tflite").write_text("for")
    with pytest.raises(ReleaseError, match="arrived damaged; deploy it again"):
        layout.take_model(digest)
    assert not (layout.incoming / f"{digest}.tflite").exists()
    assert not layout.has_model(digest)


def test_an_open_switch_is_noted_until_it_is_settled(layout: Layout) -> None:
    assert layout.pending() is None
    layout.note_pending("one", None)
    assert Layout(layout.root).pending() == {"before": "one", "service": None}
    layout.settle()
    assert layout.pending() is None


def test_what_is_put_in_place_stays_there_in_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout, synced, sync = Layout(tmp_path), set[str](), os.fsync
    layout.make()

    def noted(descriptor: int) -> None:
        synced.add(os.readlink(f"/proc/self/fd/{descriptor}"))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    digest = MODELS["one"]
    (layout.incoming / f"{digest}.tflite").write_text("one")
    layout.take_model(digest)
    layout.write_release("one", "one", digest, "", {})
    folders = {str(path) for path in (layout.models, layout.releases, layout.releases / "one")}
    assert folders <= synced

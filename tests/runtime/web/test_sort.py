"""The page of ``edgeclf sort`` by HTTP: what it shows, and what it refuses."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgeclf_runtime.sorting.looking import Looking
from edgeclf_runtime.sorting.pile import Pile
from edgeclf_runtime.web.sort_page import SortPage
from tests.runtime.web.pages import files, until
from tests.runtime.web_client import TOKEN, ask, sentence


@pytest.fixture
def folder(digits: Path, tmp_path: Path) -> Path:
    """Six images, two of which are the same, one that cannot be read, and a secret outside."""
    (tmp_path / "new").mkdir()
    for number, path in enumerate(sorted(digits.glob("*/*.png"))[::12]):
        shutil.copy(path, tmp_path / "new" / f"kitchen-20261128-19301{number}-000-{path.parent.name}-0.5{number}.jpg")
    shutil.copy(next((tmp_path / "new").iterdir()), tmp_path / "new" / "copy.png")
    (tmp_path / "new" / "damaged.jpg").write_bytes(b"no image")
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    return tmp_path / "new"


@pytest.fixture
def page(folder: Path, tmp_path: Path) -> Iterator[SortPage]:
    pile = Pile(folder, tmp_path / "photos", classes=["zero"])
    looking = Looking(pile)
    page = SortPage(pile, looking, "", "127.0.0.1:0")
    until(lambda: not looking.missing and looking.groups())
    yield page
    page.close()
    looking.close()


def _state(page: SortPage) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(ask(page, "/state.json")[2])
    return state


def _ids(page: SortPage) -> list[str]:
    return [number for group in _state(page)["groups"] for number in group["images"]]


def test_the_state_has_groups_with_what_the_device_answered(page: SortPage, folder: Path) -> None:
    state = _state(page)
    assert (state["left"], state["missing"], state["more"], state["model"]) == (7, 0, 0, "")
    assert sorted(group["count"] for group in state["groups"]) == [1, 1, 1, 1, 2]
    scores = [group["score"] for group in state["groups"] if group["score"] is not None]
    assert scores == sorted(scores)  # least confident first
    assert state["groups"][0]["devices"] == ["kitchen"]
    assert ["zero", 0] in state["classes"]
    assert state["unreadable"]["count"] == 1
    assert "damaged.jpg" in state["unreadable"]["first"]
    status, headers, content = ask(page, f"/images/{state['groups'][0]['images'][0]}.jpg")
    assert (status, headers["content-type"], content[:2]) == (200, "image/jpeg", b"\xff\xd8")


def test_a_group_is_sorted_discarded_and_taken_back(page: SortPage, folder: Path, tmp_path: Path) -> None:
    before, ids = sorted(path.name for path in folder.iterdir()), _ids(page)
    moved = json.loads(ask(page, "/sort", {"label": "new class", "images": ids[:2]})[2])
    assert (moved["folder"], moved["count"], len(files(tmp_path / "photos/new class"))) == (
        "new class",
        2,
        2,
    )
    assert ["new class", 2] in _state(page)["classes"]
    gone = json.loads(ask(page, "/discard", {"images": ids[2:3]})[2])
    assert (_state(page)["left"], len(_ids(page))) == (4, 3)
    assert ask(page, "/undo", {"move": gone["move"]})[0] == 200
    assert json.loads(ask(page, "/undo", {"move": moved["move"]})[2]) == {"count": 2}
    (folder / "__discarded").rmdir()
    assert sorted(path.name for path in folder.iterdir()) == before
    assert sorted(_ids(page)) == sorted(ids)


def test_a_large_group_is_discarded_at_once(page: SortPage, folder: Path) -> None:
    for number in range(600):
        shutil.copy(folder / "copy.png", folder / f"copy{number}.png")
    until(lambda: max(group["count"] for group in _state(page)["groups"]) >= 600)
    group = next(group for group in _state(page)["groups"] if group["count"] >= 600)
    assert len(group["images"]) == 500
    assert json.loads(ask(page, "/discard", {"images": group["images"]})[2])["count"] == 500
    assert next(each for each in _state(page)["groups"] if each["id"] == group["id"])["count"] == group["count"] - 500


def test_of_two_people_who_click_one_is_told(page: SortPage) -> None:
    ids, answers = _ids(page), list[int]()

    def click(label: str) -> None:
        answers.append(ask(page, "/sort", {"label": label, "images": ids})[0])

    threads = [threading.Thread(target=click, args=(label,)) for label in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200, 409]
    told = ask(page, "/sort", {"label": "one", "images": ids})
    assert sentence(told) == "These images are gone; somebody may have sorted them already."


def test_made_up_images_classes_and_moves_are_refused(page: SortPage, folder: Path, tmp_path: Path) -> None:
    ids, secret = _ids(page), tmp_path / "secret.jpg"
    for number in ("../secret", "..%2Fsecret", "secret", "0" * 16, ""):
        assert ask(page, f"/images/{number}.jpg")[0] == 404
    for images in (["../secret.jpg"], [str(secret)], ["0" * 16]):
        assert ask(page, "/sort", {"label": "zero", "images": images})[0] == 409
        assert ask(page, "/discard", {"images": images})[0] == 409
    for label in ("../..", "", "train", "a/b"):
        assert ask(page, "/sort", {"label": label, "images": ids[:1]})[0] == 400
    for body in ({"label": 3, "images": ids}, {"label": "zero", "images": "all"}, [], {"label": "zero", "images": [1]}):
        assert ask(page, "/sort", body)[0] == 400
    for move in ("-1", "99", "x"):
        assert ask(page, "/undo", {"move": move})[0] in (400, 409)
    assert secret.read_bytes() == b"secret"
    assert sorted(_ids(page)) == sorted(ids)
    assert not (tmp_path / "photos").exists()


def test_an_image_that_became_a_link_is_neither_shown_nor_moved(page: SortPage, folder: Path, tmp_path: Path) -> None:
    ids = _ids(page)
    for path in folder.glob("*.jpg"):
        path.unlink()
        path.symlink_to(tmp_path / "secret.jpg")
    (folder / "copy.png").unlink()
    assert {ask(page, f"/images/{number}.jpg?large")[0] for number in ids} == {409}
    assert ask(page, "/sort", {"label": "zero", "images": ids})[0] == 409
    assert _ids(page) == []


def test_new_images_appear_and_a_token_is_asked_for(page: SortPage, folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "copy.png", folder / "later.png")
    until(lambda: len(_ids(page)) == 7)
    looking = Looking(Pile(folder, folder))
    guarded = SortPage(Pile(folder, folder), looking, "", "0.0.0.0:0", TOKEN)
    try:
        assert ask(guarded, "/state.json")[0] == 401
        assert ask(guarded, "/sort", {"label": "a", "images": ["b"]})[0] == 401
        assert ask(guarded, "/state.json", headers={"Authorization": f"Bearer {TOKEN}"})[0] == 200
        foreign = {"Authorization": f"Bearer {TOKEN}", "Origin": "https://evil.example"}
        assert ask(guarded, "/discard", {"images": ["b"]}, foreign)[0] == 403
    finally:
        guarded.close()
        looking.close()

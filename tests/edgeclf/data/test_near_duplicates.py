"""Copies are found even if resized or encoded again; other images are not taken for copies."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from sklearn.datasets import load_digits, load_sample_images

from edgeclf import Quiet
from edgeclf.data.fingerprints import Fingerprints
from edgeclf.data.folders import scan
from edgeclf.data.image_cache import decode
from edgeclf.data.near_duplicates import Likeness, exact_groups, joined
from edgeclf.demo import digit_picture
from edgeclf_runtime.pictures.preprocess import Pixels, Preprocessing, resize

RULE = Preprocessing(96, 96, mean=(127.0,) * 3, std=(128.0,) * 3)


def crops(count: int) -> list[Pixels]:
    """Return crops of two photographs that overlap by at most half, without the uniform sky."""
    views: list[Pixels] = []
    for row, column, turn in itertools.product(range(6), range(6), range(2)):
        pixels = load_sample_images().images[turn][row * 60 : row * 60 + 120, column * 80 : column * 80 + 160]
        if pixels.std() > 40:
            views.append(np.ascontiguousarray(pixels))
    return views[:count]


def _fingerprints(images: list[Pixels]) -> Fingerprints:
    fingerprints = Fingerprints.of(len(images))
    for row, pixels in enumerate(images):
        fingerprints.add(row, f"{row}.png", pixels.tobytes(), pixels, resize(pixels, RULE))
    return fingerprints


def near_groups(fingerprints: Fingerprints) -> npt.NDArray[np.int64]:
    """Return the near-duplicate groups of images of one class."""
    return Likeness(fingerprints, np.zeros(len(fingerprints.readable), np.int64)).groups()


def _encoded(pixels: Pixels, scale: float, quality: int) -> Pixels:
    smaller = cv2.resize(
        pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    )
    _, data = cv2.imencode(".jpg", smaller, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


@pytest.mark.parametrize(("scale", "quality"), [(1.0, 40), (0.5, 75), (1.7, 85)])
def test_only_resized_and_reencoded_copies_are_found(scale: float, quality: int) -> None:
    originals = crops(40)
    groups = near_groups(_fingerprints([*originals, *(_encoded(pixels, scale, quality) for pixels in originals)]))
    assert len(originals) == 40
    assert groups[:40].tolist() == groups[40:].tolist()
    assert len(set(groups.tolist())) == 40


def test_few_handwritten_digits_are_taken_for_copies() -> None:
    groups = near_groups(_fingerprints([digit_picture(image) for image in load_digits().images[:600]]))
    assert (groups >= 0).sum() <= 4


def test_perceptual_hashes_are_those_of_earlier_versions() -> None:
    """The expected values come from imagehash 4.3.2, which earlier versions used."""
    china, flower = load_sample_images().images
    fingerprints = _fingerprints(
        [china, flower, china[:120, :160], flower[60:300, 200:520], np.zeros((50, 60, 3), np.uint8)]
    )
    expected = [0x9DB8C2C7445DBB24, 0x9B64386633CDC96C, 0xCDB24DB24C924DBA, 0xDA0525363632BBF8, 0]
    assert fingerprints.hashes.tolist() == expected


def test_uniform_images_are_distinguished_by_colour() -> None:
    flat = [np.full((50, 50, 3), value, np.uint8) for value in (0, 1, 90, 200)]
    first, second, *others = near_groups(_fingerprints(flat)).tolist()
    assert first == second == 0
    assert others == [-1, -1]


def test_an_image_of_similar_brightness_does_not_hide_a_copy() -> None:
    """A hash sees only brightness: a coloured image and its grey version share it."""
    for pixels in crops(40):
        grey = np.repeat(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)[..., None], 3, axis=2)
        first, other, copy, smaller = near_groups(
            _fingerprints([pixels, grey, _encoded(pixels, 1.0, 90), _encoded(grey, 0.7, 90)])
        ).tolist()
        assert first == copy
        assert other == smaller >= 0


def test_close_hashes_are_found_whichever_bits_differ() -> None:
    rng, count = np.random.default_rng(0), 400
    fingerprints = Fingerprints.of(2 * count)
    fingerprints.readable[:] = True
    fingerprints.digests[:] = rng.integers(0, 2**63, 2 * count, dtype=np.uint64)
    fingerprints.hashes[:count] = rng.integers(0, 2**63, count, dtype=np.uint64)
    fingerprints.thumbs[:count] = rng.integers(0, 256, (count, 12, 12, 3))
    fingerprints.thumbs[count:] = fingerprints.thumbs[:count]
    for row in range(count):
        bits = rng.choice(64, 8 if row % 2 else 9, replace=False)
        fingerprints.hashes[count + row] = fingerprints.hashes[row] ^ np.bitwise_or.reduce(
            np.uint64(1) << bits.astype(np.uint64)
        )
    groups = near_groups(fingerprints)
    assert (groups[1:count:2] == groups[count + 1 :: 2]).all()
    assert (groups[1:count:2] >= 0).all()
    assert (groups[::2] == -1).all()


def test_a_still_scene_forms_no_group_and_is_not_compared_in_pairs() -> None:
    started = time.monotonic()
    rng, count = np.random.default_rng(0), 20_000
    fingerprints = Fingerprints.of(count)
    fingerprints.readable[:] = True
    fingerprints.digests[:] = np.arange(count)
    for _ in range(4):
        fingerprints.hashes[:] ^= np.uint64(1) << rng.integers(0, 64, count, dtype=np.uint64)
    fingerprints.thumbs[:] = 100 + rng.integers(0, 2, fingerprints.thumbs.shape)
    fingerprints.details[:] = 100
    assert set(near_groups(fingerprints).tolist()) == {-1}
    assert time.monotonic() - started < 60  # two hundred million pairs would take longer


def test_unreadable_files_and_given_groups(tmp_path: Path) -> None:
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "broken.jpg").write_bytes(b"\xff\xd8")
        cv2.imwrite(str(tmp_path / label / "same.png"), crops(1)[0])
    data, fingerprints = scan(tmp_path)[0], Fingerprints.of(4)
    with decode(data, RULE, 0, tmp_path / "decoded", Quiet(), fingerprints)[0]:
        assert exact_groups(fingerprints).tolist() == [-1, 0, -1, 0]
        likeness = Likeness(fingerprints, data.targets)
        assert likeness.groups().tolist() == [-1] * 4  # two classes: one photograph with two labels
        assert [rows.tolist() for rows in likeness.conflicts()] == [[1, 3]]
    assert joined(4, np.array([[0, 1]]), np.array([-1, 5, 5, -1])).tolist() == [0, 0, 0, -1]

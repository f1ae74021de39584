"""One image in the cache of decoded images: at input size, larger, and its fingerprint."""

from __future__ import annotations

import hashlib

import cv2
import numpy as np

from edgeclf.data.dataset import Dataset
from edgeclf.data.decoded_cache import DecodedCache, cache_in_use
from edgeclf.data.fingerprints import Fingerprints
from edgeclf.data.pixel_file import PixelFile
from edgeclf_runtime.pictures.preprocess import Pixels, Preprocessing
from edgeclf_runtime.pictures.view import View

__all__ = ["KeptImage", "input_picture"]


class KeptImage:
    """What the cache has of one image.

    Args:
        cache: where it is stored.
        content: the image file's bytes.
        rule: the preprocessing of the network that the image is for.
        view: rotation and region to apply to it.
    """

    def __init__(self, cache: DecodedCache, content: bytes, rule: Preprocessing, view: View) -> None:
        self._cache, self._content = cache, content
        self._key = (hashlib.blake2b(content, digest_size=32).digest(), rule, view, cv2.__version__)

    def pixels(self, height: int, width: int) -> Pixels | None:
        """Return the image, uint8 RGB ``[height, width, 3]``; None if it is not in the cache."""
        kept = self._cache.get(self._name("pixels", height, width), 3 * height * width)
        return None if kept is None else np.frombuffer(kept, np.uint8).reshape(height, width, 3)

    def read(
        self, row: int, file: str, inputs: PixelFile, larger: PixelFile, fingerprints: Fingerprints | None
    ) -> bool:
        """Fill the image's row in both files and in the fingerprints; return False if the cache lacks anything."""
        for pixel_file in _filled(inputs, larger):
            pixels = self.pixels(*pixel_file.size)
            if pixels is None:
                return False
            pixel_file.write(row, pixels)
        if fingerprints is None:
            return True
        kept = self._cache.get(self._name("fingerprint"), fingerprints.kept_bytes)
        if kept is not None:
            fingerprints.restore(row, file, self._content, kept)
        return kept is not None

    def write(self, row: int, inputs: PixelFile, larger: PixelFile, fingerprints: Fingerprints | None) -> None:
        """Store the contents of a row."""
        for pixel_file in _filled(inputs, larger):
            self._cache.put(self._name("pixels", *pixel_file.size), pixel_file[row].tobytes())
        if fingerprints is not None:
            self._cache.put(self._name("fingerprint"), fingerprints.kept(row))

    def _name(self, *what: object) -> bytes:
        return self._cache.name(*self._key, *what)


def _filled(inputs: PixelFile, larger: PixelFile) -> list[PixelFile]:
    return [pixel_file for pixel_file in (inputs, larger) if len(pixel_file)]


def input_picture(data: Dataset, file: str, rule: Preprocessing) -> Pixels:
    """Return an image for a network: from the cache at input size, or else decoded and not yet resized.

    Raises:
        ImageError: the file cannot be read or decoded.
    """
    cache = cache_in_use()
    if cache is None or (rule.resize, rule.color) != ("stretch", "RGB"):  # others would be cropped or reordered twice
        return data.picture(file, rule)
    content = data.content(file)
    kept = KeptImage(cache, content, rule, data.view_of(file)).pixels(rule.height, rule.width)
    return data.decoded(file, content, rule) if kept is None else kept

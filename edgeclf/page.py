"""Pages without any other file: one template, pictures and plots inside."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import cv2

from edgeclf_runtime.preprocess import Pixels

__all__ = ["jpeg", "render"]

_QUALITY = 85


def render(template: str, values: Mapping[str, object]) -> str:
    """A page; every value that is not marked as HTML is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    known = Environment(loader=PackageLoader("edgeclf"), autoescape=True, undefined=StrictUndefined)
    return known.get_template(template).render(values)


def jpeg(pixels: Pixels) -> str:
    """A picture, uint8 RGB, as the address of an ``img``."""
    good, data = cv2.imencode(".jpg", pixels[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    assert good
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()

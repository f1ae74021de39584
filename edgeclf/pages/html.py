"""Render pages as single files that contain their images and plots."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from edgeclf_runtime.pictures.preprocess import Pixels
from edgeclf_runtime.sinks.jpeg import jpeg as encoded
from edgeclf_runtime.system.plain_text import counted

__all__ = ["jpeg", "jpeg_address", "render"]

_QUALITY = 85


def render(template: str, values: Mapping[str, object]) -> str:
    """Render a template to a page; values that are not marked as HTML are escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(loader=PackageLoader("edgeclf.pages"), autoescape=True, undefined=StrictUndefined)
    environment.filters["counted"] = counted
    return environment.get_template(template).render(values)


def jpeg(pixels: Pixels) -> str:
    """Encode an image, uint8 RGB ``[height, width, 3]``, as a data address for ``img``."""
    return jpeg_address(encoded(pixels, _QUALITY))


def jpeg_address(content: bytes) -> str:
    """Return a JPEG's bytes as a data address for ``img``."""
    return "data:image/jpeg;base64," + base64.b64encode(content).decode()

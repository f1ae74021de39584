"""Pages without any other file: one template, pictures and plots inside."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from edgeclf_runtime.pictures.preprocess import Pixels
from edgeclf_runtime.sinks.jpeg import jpeg as encoded

__all__ = ["jpeg", "jpeg_address", "render"]

_QUALITY = 85


def render(template: str, values: Mapping[str, object]) -> str:
    """A page; every value that is not marked as HTML is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(loader=PackageLoader("edgeclf.pages"), autoescape=True, undefined=StrictUndefined)
    return environment.get_template(template).render(values)


def jpeg(pixels: Pixels) -> str:
    """A picture, uint8 RGB, as the address of an ``img``."""
    return jpeg_address(encoded(pixels, _QUALITY))


def jpeg_address(content: bytes) -> str:
    """A JPEG as the address of an ``img``."""
    return "data:image/jpeg;base64," + base64.b64encode(content).decode()

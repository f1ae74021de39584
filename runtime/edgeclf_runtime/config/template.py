"""Write a run.toml with every key, its default and its description."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from edgeclf_runtime.config.settings import TABLES, RunSettings

__all__ = ["settings_text"]

_HEAD = """\
# Settings of edgeclf run: edgeclf run MODEL --config FILE
# Lines that begin with #key are defaults: take the # away to change them. All keys: docs/run-toml.md
"""
_TOP = {
    "source": "Camera number or device, csi, video, image folder or address",
    "reload": "Switch to a new model file when it replaces MODEL and passes its check",
    "trusted_key": "Refuse model files that were not signed with this public key (edgeclf sign)",
    "update": "Folder or https address to check for new signed models (edgeclf publish)",
    "update_every": "Seconds from one look to the next; 0 for 3600 of an address and 10 of a folder",
    "update_ca": "Certificate authority to trust for this address, in place of the system's",
    "page_zones": 'File for zones that are drawn on the page, such as "zones.toml"; docs/cameras-and-zones.md',
}
_ABOUT = {
    "camera": {
        "width": "Frame width to request, in pixels; 0 leaves it to the camera",
        "height": "Frame height to request, in pixels",
        "fps": "Frame rate to request; 0 leaves it to the camera",
        "format": 'Pixel format of a V4L2 camera, such as "MJPG"',
        "reopen": "Keep trying to reopen a lost camera or stream",
        "wait": "Also wait for a camera that is not there at the start",
        "stalled_after": "Seconds without a frame until the camera counts as stalled",
        "frozen_after": "Seconds of identical frames until the camera is reopened",
        "realtime": "Play a video at its own speed",
        "watch": "Keep watching a folder for new images",
        "fast_decode": "Decode JPEGs at reduced size where that is large enough",
        "min_decoded_size": "Pixels that both sides must then keep; 0 leaves it to the model",
        "insecure": "Do not verify the certificate of an https or rtsps camera",
        "rotate": "Clockwise rotation of the camera's image: 0, 90, 180 or 270 (default: the model's)",
        "flip": 'Mirror it: "none", "horizontal" or "vertical" (default: the model\'s)',
    },
    "decision": {
        "threshold": 'Answer "unknown" if the best score is lower (default: the model\'s)',
        "reject": "Share of familiar images that may be refused as unfamiliar; 0 refuses none (default: the model's)",
        "margin": 'Answer "unknown" if the best score leads the second by less',
        "smoothing": "Time constant of the moving average over scores, in seconds",
        "hysteresis": "Keep the answer while its score is at most this much too low",
        "votes": "Frames, of the last window frames, that a new answer must win",
        "window": "See votes",
        "hold": "Seconds that a new answer must last before it counts",
        "cooldown": "Minimum time between two calls of command or webhook, in seconds",
        "count_period": "Seconds within which the changes to each answer are counted, such as 3600; 0 counts none",
    },
    "gate": {
        "region": "Part of the image to classify: left, top, width, height as fractions (default: the model's)",
        "max_fps": "Maximum number of frames classified per second; 0 for all",
        "motion": "Skip frames that differ by fewer grey levels from the last; 0 turns it off",
        "linger": "Seconds to go on classifying after something moved",
        "refresh": "Classify a still scene at this interval, in seconds",
    },
}
_EXAMPLES: dict[str, Any] = {
    "rotate": 180,
    "flip": "none",
    "threshold": 0.6,
    "reject": 0.05,
    "region": [0.25, 0.0, 0.5, 1.0],
    "snapshot_free_bytes": 500_000_000,
}
"""Shown defaults of keys whose default is only known when a run starts."""


def settings_text(chosen: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the content of the file.

    Args:
        chosen: values by table, with "" for the keys above all tables; all other keys are commented out.
    """
    defaults = {key: RunSettings.__dataclass_fields__[key].default for key in _TOP}
    above = chosen.get("", {})
    lines = [_HEAD, *(_line(key, about, above, defaults[key]) for key, about in _TOP.items())]
    for table, kind in TABLES.items():
        lines.append(f"\n[{table}]")
        for item in fields(kind):
            about = item.metadata.get("about") or _ABOUT.get(table, {}).get(item.name)
            if about is not None:
                default = _EXAMPLES.get(item.name, item.default)
                lines.append(_line(item.name, about, chosen.get(table, {}), default))
    return "\n".join(lines) + "\n"


def _line(key: str, about: str, chosen: Mapping[str, Any], default: Any) -> str:
    value = chosen.get(key, default)
    text = json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
    return f"{'' if key in chosen else '#'}{key} = {text}  # {about}"

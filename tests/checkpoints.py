"""Checkpoint files made for tests."""

from __future__ import annotations

import pickle
import struct

import numpy as np

__all__ = ["checkpoint"]


def checkpoint(views: bytes, storage: bytes = np.arange(6, dtype="<f4").tobytes()) -> bytes:
    """Return a file as torch 1.5 wrote it, with this pickle as its state dict."""
    head = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
    parts = [pickle.dumps(part, protocol=2) for part in head]
    return b"".join([*parts, views, pickle.dumps(["0"], protocol=2), struct.pack("<q", len(storage) // 4), storage])

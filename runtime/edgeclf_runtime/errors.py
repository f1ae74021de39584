"""What can go wrong on the device, as a tree.

EdgeclfError
├── ModelError        a model file: missing, cut, not TFLite, of a shape that is no image classifier
│   └── LabelsError   labels: missing, or fewer than the outputs
├── ImageError        one image: missing, truncated, not an image
├── SourceError       a camera, video, folder or stream: not there, lost, unreadable
│   └── SourceEnded   nothing more can come from it
├── SinkError         a file, broker or address that observations cannot go to
│   └── AddressError  one that this machine does not have, or not yet
├── BackendError      no interpreter, or one that refuses the model
├── ServiceError      systemd: not there, or it refuses
└── UsageError        arguments that contradict each other
"""

from __future__ import annotations

__all__ = [
    "AddressError",
    "BackendError",
    "EdgeclfError",
    "ImageError",
    "LabelsError",
    "ModelError",
    "ServiceError",
    "SinkError",
    "SourceEnded",
    "SourceError",
    "UsageError",
]


class EdgeclfError(Exception):
    """Base of every error this project raises on purpose; its text is one line for the user."""


class ModelError(EdgeclfError, ValueError):
    """A model file cannot be used."""


class LabelsError(ModelError):
    """The labels do not fit the model."""


class ImageError(EdgeclfError, ValueError):
    """An image cannot be read."""


class SourceError(EdgeclfError, OSError):
    """Frames cannot be had from a source."""


class SourceEnded(SourceError):
    """A source is at its end for good."""


class SinkError(EdgeclfError, OSError):
    """Observations cannot be handed on."""


class AddressError(SinkError):
    """This machine does not have an address that it is to listen at, or not yet."""


class BackendError(EdgeclfError, RuntimeError):
    """No interpreter can run the model."""


class ServiceError(EdgeclfError, OSError):
    """systemd is not there, or it refuses."""


class UsageError(EdgeclfError, ValueError):
    """Arguments contradict each other."""

"""The exceptions of this package, as a tree.

EdgeclfError
├── ModelError        a model file: missing, truncated, not TFLite, not an image classifier
│   ├── LabelsError   labels: missing, or not as many as outputs
│   └── SignatureError  a model file that no trusted key signed, that was changed since, or that is too old
├── ImageError        an image: missing, truncated, not an image
├── SourceError       a camera, video, folder or stream: missing, lost, unreadable
│   └── SourceEnded   the end of a source that cannot be reopened
├── SinkError         a file, broker or address to which observations cannot be written
│   └── AddressError  an address that this machine does not have, or not yet
├── BackendError      no interpreter, or it refuses the model
├── UpdateError       an update cannot be fetched: no answer, cut off, not what was offered
├── ServiceError      systemd: not running, or it refuses
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
    "SignatureError",
    "SinkError",
    "SourceEnded",
    "SourceError",
    "UpdateError",
    "UsageError",
]


class EdgeclfError(Exception):
    """Base of every error this project raises on purpose; its text is one line for the user."""


class ModelError(EdgeclfError, ValueError):
    """A model file cannot be used."""


class LabelsError(ModelError):
    """The labels do not fit the model."""


class SignatureError(ModelError):
    """A file is not signed by a trusted key, was changed since, or is older than the one in use."""


class ImageError(EdgeclfError, ValueError):
    """An image cannot be read."""


class SourceError(EdgeclfError, OSError):
    """A source gives no frames."""


class SourceEnded(SourceError):
    """A source has ended and cannot be reopened."""


class SinkError(EdgeclfError, OSError):
    """Observations cannot be written or sent."""


class AddressError(SinkError):
    """This machine does not have the address to listen at, or not yet."""


class BackendError(EdgeclfError, RuntimeError):
    """No interpreter can run the model."""


class ServiceError(EdgeclfError, OSError):
    """systemd is not running, or it refuses."""


class UpdateError(EdgeclfError, OSError):
    """An update cannot be fetched."""


class UsageError(EdgeclfError, ValueError):
    """Arguments contradict each other."""

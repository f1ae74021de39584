"""Web pages served by the device: the live view of a running classifier, and the collection of training images.

``live_page`` and ``capture_page`` are the two pages; ``server`` serves them, and ``access`` controls who may see them.
"""

from __future__ import annotations

from edgeclf_runtime.errors import SinkError
from edgeclf_runtime.system.packages import check_version

__all__ = ["check_installed"]


def check_installed() -> None:
    """Check that the packages for web pages are installed.

    Raises:
        SinkError: they are missing or too old.
    """
    for package in ("starlette", "uvicorn"):
        check_version(package, SinkError)
    try:
        import starlette
        import uvicorn
    except ImportError:
        raise SinkError("A web page needs starlette and uvicorn: pip install 'edgeclf-runtime[web]'") from None
    del starlette, uvicorn

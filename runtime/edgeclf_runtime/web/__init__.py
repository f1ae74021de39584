"""Pages on the machine itself: what a running classifier sees, and photographs collected for the next training.

``live_page`` and ``capture_page`` are the two pages; ``server`` serves either, ``access`` decides who may see it.
"""

from __future__ import annotations

from edgeclf_runtime.errors import SinkError
from edgeclf_runtime.system.packages import check_version

__all__ = ["check_installed"]


def check_installed() -> None:
    """Whether the packages that serve a page are there.

    Raises:
        SinkError: they are not, or too old.
    """
    for package in ("starlette", "uvicorn"):
        check_version(package, SinkError)
    try:
        import starlette
        import uvicorn
    except ImportError:
        raise SinkError("A web page needs starlette and uvicorn: pip install 'edgeclf-runtime[web]'") from None
    del starlette, uvicorn

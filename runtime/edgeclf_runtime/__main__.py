"""``python -m edgeclf_runtime`` is the command ``edgeclf``."""

from __future__ import annotations

from edgeclf_runtime.cli import main

if __name__ == "__main__":
    main()

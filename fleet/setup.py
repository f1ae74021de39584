"""Metadata that depends on the version, which is written once, in edgeclf_runtime; all else is in pyproject.toml."""

import re
from pathlib import Path

from setuptools import setup

HERE = Path(__file__).parent
SOURCE_DISTRIBUTION = HERE / "PKG-INFO"  # absent in a clone
WRITTEN = SOURCE_DISTRIBUTION if SOURCE_DISTRIBUTION.exists() else HERE.parent / "runtime/edgeclf_runtime/__init__.py"
VERSION = re.findall(r'(?m)^(?:Version: |__version__ = ")([\w.]+)', WRITTEN.read_text("utf-8"))[0]

setup(
    version=VERSION,
    install_requires=[
        f"edgeclf-runtime=={VERSION}",
        "ansible-core>=2.17,<2.20",
        "click>=8.1,<9",
        "pyyaml>=6,<7",
    ],
)

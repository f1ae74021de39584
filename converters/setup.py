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
        "flatbuffers>=24.3",
        "numpy>=1.26,<3",
        "opencv-python-headless>=4.11,<6",
        "tensorflow>=2.21,<2.22",
        "tensorflow-model-optimization>=0.8.1,<0.9",
        "tf_keras>=2.21,<2.22",
        "setuptools>=69; python_version >= '3.12'",
        "typing-extensions>=4.6",
    ],
)

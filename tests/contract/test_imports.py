"""The cost of imports, their direction, and the public names."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = (
    "tensorflow",
    "tf_keras",
    "click",
    "cv2",
    "numpy",
    "sklearn",
    "matplotlib",
    "ai_edge_litert",
    "starlette",
    "uvicorn",
)
PUBLIC = {
    "edgeclf_runtime": "BackendError Classifier DecisionRule EdgeclfError Frame GateRule ImageError LabelsError "
    "ModelCard ModelError Observation Pipeline Prediction Preprocessing Sink SourceError UsageError View __version__ "
    "open_source read_image",
    "edgeclf_converters": "METHODS MODES Conversion ConversionError Labelled Parity QatConfig Search Step "
    "__version__ convert convert_int8 export search_int8",
    "edgeclf_fleet": "FleetError __version__",
    "edgeclf": "ConfigError DataError DesktopError Measurement Quiet Reporter Run RunError SearchConfig Terminal "
    "TrainConfig WeightsError __version__ check_data compare evaluate export export_pretrained export_run "
    "make_config promote resume search train write_report",
}


@pytest.mark.parametrize("package", ["edgeclf_runtime", "edgeclf"])
def test_importing_a_package_loads_nothing_heavy(package: str) -> None:
    code = f"import sys, {package}; print([name for name in {HEAVY!r} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_runtime_classifies_without_tensorflow_or_click(model: Path) -> None:
    code = (
        "import sys, numpy; from edgeclf_runtime import Classifier\n"
        f"Classifier.load({str(model)!r}).classify(numpy.zeros((9, 9, 3), numpy.uint8))\n"
        "print([name for name in ('tensorflow', 'tf_keras', 'click') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("package", PUBLIC)
def test_public_names_are_exactly_these(package: str) -> None:
    module = importlib.import_module(package)
    assert list(module.__all__) == PUBLIC[package].split()
    assert all(getattr(module, name) is not None for name in module.__all__)


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        ("runtime/edgeclf_runtime", {"edgeclf", "edgeclf_converters", "tf_keras"}),
        ("converters/edgeclf_converters", {"edgeclf"}),
    ],
)
def test_packages_import_in_one_direction(folder: str, forbidden: set[str]) -> None:
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.split(".")[0] for name in names} & forbidden, path


def test_only_one_module_draws_plots() -> None:
    parts = (ROOT / "edgeclf", ROOT / "tests" / "benchmarks")
    drawing = {
        path.name for part in parts for path in part.rglob("*.py") if "import matplotlib" in path.read_text("utf-8")
    }
    assert drawing == {"plots.py"}


def test_the_runtime_calls_zip_as_python_3_9_has_it() -> None:
    """``strict`` is new in 3.10, and fails only when the line is reached; tests/supply tries only common code paths."""
    for path in (ROOT / "runtime" / "edgeclf_runtime").rglob("*.py"):
        calls = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
        zips = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "zip"]
        assert not [call for call in zips if call.keywords], path

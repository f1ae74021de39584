"""A room (folder) of a package imports only rooms below it, and there are no import cycles."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = {
    "edgeclf": ROOT / "edgeclf",
    "edgeclf_converters": ROOT / "converters" / "edgeclf_converters",
    "edgeclf_runtime": ROOT / "runtime" / "edgeclf_runtime",
    "edgeclf_fleet": ROOT / "fleet" / "edgeclf_fleet",
}
# From the lowest floor to the highest; rooms on the same floor do not import each other.
FLOORS = {
    "edgeclf": (
        "errors metrics progress renamed",
        "frameworks pages",
        "data framework_errors model",
        "config",
        "runs",
        "evaluation reports",
        "training",
        "comparison datacheck exporting",
        "demo importing searching",
        "api",
        "commands",
    ),
    "edgeclf_converters": (
        "errors frameworks interrupts work_folder",
        "distribution graph tflite",
        "edgetpu parity",
        "familiarity quantize",
        "report",
        "export",
    ),
    "edgeclf_fleet": (
        "callback_plugins connection errors signing",
        "events remote_snapshots rollout wheel",
        "playbook",
        "bundle snapshot_store survey",
        "survey_page",
        "commands roles",
    ),
    "edgeclf_runtime": (
        "errors renamed",
        "system",
        "pictures cli trust",
        "frame model __main__",
        "backends prediction sources",
        "classifier decision formatting",
        "benchmark sinks threads verification",
        "learning sorting",
        "web",
        "config",
        "pipeline",
        "service shadow updates",
        "doctor",
        "commands",
    ),
}
each_package = pytest.mark.parametrize("package", FOLDERS)


def _modules(package: str) -> dict[str, Path]:
    folder = FOLDERS[package]
    named = {}
    for path in folder.rglob("*.py"):
        parts = path.relative_to(folder).with_suffix("").parts
        named[".".join((package, *parts)).removesuffix(".__init__")] = path
    return named


def _imports(package: str) -> dict[str, set[str]]:
    """Return what each module imports from its own package, including imports within functions."""
    modules = _modules(package)
    imported: dict[str, set[str]] = {module: set() for module in modules}
    for module, path in modules.items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith(f"{package}."):
                names = {f"{node.module}.{alias.name}" for alias in node.names}
                imported[module] |= {name if name in modules else str(node.module) for name in names}
            if isinstance(node, ast.Import):
                imported[module] |= {alias.name for alias in node.names if alias.name in modules}
    return imported


def _room(module: str) -> str:
    return module.split(".")[1]


@each_package
def test_every_room_has_a_floor(package: str) -> None:
    placed = [room for floor in FLOORS[package] for room in floor.split()]
    assert sorted(placed) == sorted({_room(module) for module in _modules(package) if module != package})


@each_package
def test_rooms_import_only_rooms_below_them(package: str) -> None:
    height = {room: floor for floor, rooms in enumerate(FLOORS[package]) for room in rooms.split()}
    wrong = [
        f"{module} imports {target}"
        for module, targets in _imports(package).items()
        for target in targets - {package}
        if module != package and _room(module) != _room(target) and height[_room(target)] >= height[_room(module)]
    ]
    assert not wrong


@each_package
def test_modules_have_no_import_cycles(package: str) -> None:
    left = _imports(package)
    while free := {module for module, targets in left.items() if not (targets & left.keys()) - {module}}:
        left = {module: targets for module, targets in left.items() if module not in free}
    assert not left, "these wait for one another"

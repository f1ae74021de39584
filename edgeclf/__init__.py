"""From a folder of photographs to an image classifier on a Raspberry Pi or Coral camera.

    from pathlib import Path
    from edgeclf import Terminal, export_run, make_config, train

    run = train(Path("photos"), Path("runs/mine"), make_config({}), Terminal())
    export_run(run, Path("model.tflite"), "int8", Terminal())

Names are loaded when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgeclf.comparison.compare import compare
    from edgeclf.config.train import TrainConfig, make_config
    from edgeclf.errors import ConfigError, DataError, DesktopError, RunError, WeightsError
    from edgeclf.evaluation.evaluate import evaluate
    from edgeclf.evaluation.measuring import Measurement
    from edgeclf.exporting.export import export_pretrained, export_run
    from edgeclf.progress import Quiet, Reporter, Terminal
    from edgeclf.reports.report import write_report
    from edgeclf.runs.run import Run
    from edgeclf.training.fit import resume, train

__all__ = [
    "ConfigError",
    "DataError",
    "DesktopError",
    "Measurement",
    "Quiet",
    "Reporter",
    "Run",
    "RunError",
    "Terminal",
    "TrainConfig",
    "WeightsError",
    "__version__",
    "compare",
    "evaluate",
    "export_pretrained",
    "export_run",
    "make_config",
    "resume",
    "train",
    "write_report",
]

__version__ = "0.1.0"

_HOMES = {
    "ConfigError": "errors",
    "DataError": "errors",
    "DesktopError": "errors",
    "Measurement": "evaluation.measuring",
    "Quiet": "progress",
    "Reporter": "progress",
    "Run": "runs.run",
    "RunError": "errors",
    "Terminal": "progress",
    "TrainConfig": "config.train",
    "WeightsError": "errors",
    "compare": "comparison.compare",
    "evaluate": "evaluation.evaluate",
    "export_pretrained": "exporting.export",
    "export_run": "exporting.export",
    "make_config": "config.train",
    "resume": "training.fit",
    "train": "training.fit",
    "write_report": "reports.report",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

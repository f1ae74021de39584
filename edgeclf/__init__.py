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
    from edgeclf.comparison import compare
    from edgeclf.config import TrainConfig, make_config
    from edgeclf.errors import ConfigError, DataError, DesktopError, RunError, WeightsError
    from edgeclf.evaluation import evaluate
    from edgeclf.exporting import export_pretrained, export_run
    from edgeclf.measuring import Measurement
    from edgeclf.report import write_report
    from edgeclf.reporter import Quiet, Reporter, Terminal
    from edgeclf.run import Run
    from edgeclf.training import resume, train

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
    "Measurement": "measuring",
    "Quiet": "reporter",
    "Reporter": "reporter",
    "Run": "run",
    "RunError": "errors",
    "Terminal": "reporter",
    "TrainConfig": "config",
    "WeightsError": "errors",
    "compare": "comparison",
    "evaluate": "evaluation",
    "export_pretrained": "exporting",
    "export_run": "exporting",
    "make_config": "config",
    "resume": "training",
    "train": "training",
    "write_report": "report",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

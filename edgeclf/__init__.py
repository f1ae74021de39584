"""Train an image classifier on a folder of photographs, for a Raspberry Pi or Coral camera.

    import edgeclf

    run = edgeclf.train("photos", "runs/mine")
    edgeclf.export(run, "model.tflite")
    print(edgeclf.evaluate("model.tflite", "new-photos").score.accuracy)

Names are imported when they are first used, so that importing the package is fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from edgeclf_runtime import __version__

if TYPE_CHECKING:
    from edgeclf.api import check_data, compare, evaluate, export, export_run, promote, resume, search, train
    from edgeclf.config.tables import SearchConfig
    from edgeclf.config.train import TrainConfig, make_config
    from edgeclf.errors import ConfigError, DataError, DesktopError, RunError, WeightsError
    from edgeclf.evaluation.measuring import Measurement
    from edgeclf.exporting.export import export_pretrained
    from edgeclf.progress import Quiet, Reporter, Terminal
    from edgeclf.reports.report import write_report
    from edgeclf.runs.run import Run

__all__ = [
    "ConfigError",
    "DataError",
    "DesktopError",
    "Measurement",
    "Quiet",
    "Reporter",
    "Run",
    "RunError",
    "SearchConfig",
    "Terminal",
    "TrainConfig",
    "WeightsError",
    "__version__",
    "check_data",
    "compare",
    "evaluate",
    "export",
    "export_pretrained",
    "export_run",
    "make_config",
    "promote",
    "resume",
    "search",
    "train",
    "write_report",
]

_HOMES = {
    "ConfigError": "errors",
    "DataError": "errors",
    "DesktopError": "errors",
    "Measurement": "evaluation.measuring",
    "Quiet": "progress",
    "Reporter": "progress",
    "Run": "runs.run",
    "RunError": "errors",
    "SearchConfig": "config.tables",
    "Terminal": "progress",
    "TrainConfig": "config.train",
    "WeightsError": "errors",
    "check_data": "api",
    "compare": "api",
    "evaluate": "api",
    "export": "api",
    "export_pretrained": "exporting.export",
    "export_run": "api",
    "make_config": "config.train",
    "promote": "api",
    "resume": "api",
    "search": "api",
    "train": "api",
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

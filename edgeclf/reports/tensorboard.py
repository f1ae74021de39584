"""Write a run's history for TensorBoard; only viewing it needs the extra ``tensorboard``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgeclf.frameworks import tensorflow
from edgeclf.runs.run import Run

__all__ = ["write_events"]

_PLUGIN = "scalars"


def write_events(run: Run, folder: Path) -> Path:
    """Write loss, validation accuracy and validation log loss by epoch as scalars.

    Args:
        run: a training whose head was fitted.
        folder: the folder for TensorBoard; the run's sub-folder in it is replaced if it exists.

    Returns:
        the sub-folder.

    Raises:
        RunError: the training was stopped before its head was fitted.
    """
    history, log_folder = run.read_json("history"), folder / run.path.resolve().name
    for old in log_folder.glob("events.out.tfevents.*"):
        old.unlink()
    writer = tensorflow().summary.create_file_writer(str(log_folder))
    with writer.as_default():
        for item in history:
            if "alpha" not in item:  # alpha is chosen after the last epoch, so it has no place on the time axis
                _write(item)
    writer.close()
    return log_folder


def _write(item: dict[str, float]) -> None:
    tf = tensorflow()
    for name in ("loss", "validation_accuracy", "validation_mean_average_precision", "validation_log_loss"):
        if name in item:
            tf.summary.write(name, tf.constant(item[name], tf.float32), step=int(item["epoch"]), metadata=_metadata())


def _metadata() -> Any:
    """Return the metadata that ``tf.summary.scalar`` writes, which needs TensorBoard to be installed."""
    kind = tensorflow().compat.v1.SummaryMetadata
    plugin = kind.PluginData(plugin_name=_PLUGIN)
    return kind(plugin_data=plugin, data_class=1)  # DATA_CLASS_SCALAR

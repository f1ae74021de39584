"""``edgeclf inspect``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import click

from edgeclf_runtime.commands.options import model_argument, reading_options
from edgeclf_runtime.pictures.view import View
from edgeclf_runtime.system.plain_text import counted

if TYPE_CHECKING:
    from edgeclf_runtime.model.file import ModelFile
    from edgeclf_runtime.model.flatbuffer import TensorInfo

__all__ = ["inspect"]


@click.command()
@model_argument
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@reading_options
def inspect(read: Callable[[Path], ModelFile], model: Path, as_json: bool) -> None:
    """Show the labels, input and accuracy stored in a model file."""
    content = _content(read(model))
    click.echo(json.dumps(content, ensure_ascii=False, indent=1) if as_json else _text(content))


def _content(file: ModelFile) -> dict[str, Any]:
    from edgeclf_runtime.model.flatbuffer import read_flat_model

    model = read_flat_model(file.content)
    return {
        "file": str(file.path),
        "bytes": len(file.content),
        **{name: value for name, value in asdict(file.card).items() if name != "view"},
        **asdict(file.card.view),
        "input": _tensor(model.inputs[0]),
        "output": _tensor(model.outputs[0]),
        "golden_pictures": len(file.golden),
        "familiarity": _familiarity(file),
        "scores": _scores(file),
        "signed": _signed(file),
    }


def _signed(file: ModelFile) -> str | None:
    """Return who claims to have signed the file, and when; None if it is not signed."""
    from edgeclf_runtime.trust.statement import shown_version

    if file.statement is None:
        return None
    return f"{shown_version(file.statement.version)} with the key {file.statement.key}"


def _familiarity(file: ModelFile) -> dict[str, int] | None:
    """Return the number of prototypes of the classes and of the empty scene; None if the file has no familiarity."""
    from edgeclf_runtime.model.familiarity import NO_CLASS

    if file.familiarity is None:
        return None
    of_nothing = file.familiarity.classes.count(NO_CLASS)
    return {"prototypes": len(file.familiarity.classes) - of_nothing, "of_empty_scene": of_nothing}


def _scores(file: ModelFile) -> str:
    return f"{file.scores.way}{' of the second label' if file.scores.binary else ''}"


def _tensor(spec: TensorInfo) -> dict[str, Any]:
    return {"shape": list(spec.shape), "dtype": spec.dtype, "scale": spec.scale, "zero_point": spec.zero_point}


def _text(content: dict[str, Any]) -> str:
    labels, rule = content["labels"], content["preprocessing"]
    view = View(*(content[name] for name in ("region", "rotate", "flip")))
    shown = ", ".join(labels[:10]) + (f", ... ({len(labels)} in all)" if len(labels) > 10 else "")
    rows = [
        ("file", f"{content['file']} ({content['bytes'] / 1e6:.2f} MB)"),
        ("name", content["name"]),
        ("labels", shown),
        ("input", _tensor_text(content["input"])),
        ("output", _tensor_text(content["output"])),
        ("scores", {"raw": "the outputs"}.get(content["scores"], content["scores"])),
        ("pictures", f"{rule['resize']} to {rule['width']}x{rule['height']} {rule['color']}"),
        *([("JPEGs", "decoded at reduced size where that fills the input")] if rule["jpeg"] == "reduced" else []),
        *([("camera", f"{view} of its images; image files are used as they are")] if view.changes else []),
        ("normalized", f"(pixel - {_numbers(rule['mean'])}) / {_numbers(rule['std'])}"),
        *([("answers", _limits_text(content))] if content["label_thresholds"] else []),
        *([("unknown", f"below a score of {content['threshold']:.2f}")] if content["threshold"] else []),
        *([("unfamiliar", _refused_text(content))] if content["familiarity"] else []),
        ("golden", counted(content["golden_pictures"], "image")),
        *((name, f"{value:.2%}") for name, value in content["accuracy"].items()),
        *([("signed", f"{content['signed']}; --trusted-key of verify checks it")] if content["signed"] else []),
        *content["provenance"].items(),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def _limits_text(content: dict[str, Any]) -> str:
    limits = zip(content["labels"], content["label_thresholds"])
    return f"several labels per image, from a score of {', '.join(f'{value:.2f} {label}' for label, value in limits)}"


def _refused_text(content: dict[str, Any]) -> str:
    counts = content["familiarity"]
    refused = f"below a familiarity of {content['reject']:g}" if content["reject"] else "nothing is refused"
    return f"{refused}; {counts['prototypes']} prototypes of the classes, {counts['of_empty_scene']} of the empty scene"


def _tensor_text(tensor: dict[str, Any]) -> str:
    quantized = f", scale {tensor['scale']:.6g}, zero point {tensor['zero_point']}"
    return f"{tensor['dtype']} {tensor['shape']}{'' if tensor['dtype'] == 'float32' else quantized}"


def _numbers(values: tuple[float, ...]) -> str:
    return f"{values[0]:g}" if len(set(values)) == 1 else str([round(value, 4) for value in values])

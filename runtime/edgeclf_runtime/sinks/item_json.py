"""Format the items of sinks as JSON."""

from __future__ import annotations

import json

from edgeclf_runtime.formatting import content, doubt
from edgeclf_runtime.sinks.sink import Item, ModelState, Observation
from edgeclf_runtime.sources.source import SourceState

__all__ = ["as_json"]


def as_json(item: Item, top: int) -> str:
    """Format as one JSON object.

    An observation has its frame, time (seconds since 1970), age and source, its camera and zone if there are zones, the
    answer, whether it changed, and the results of ``formatting.content`` and ``doubt``; if changes are counted, also
    the previous answer and the counts. A source's state has ``time``, ``state``, ``reason`` and ``reopened``; a model's
    ``time``, ``model``, ``path``, ``reason`` and ``labels``.
    """
    if not isinstance(item, Observation):
        return json.dumps({"time": round(item.time, 3), **_state(item)}, ensure_ascii=False)
    frame, frame_fields = item.prediction.frame, dict[str, object]()
    if frame is not None:
        frame_fields = {
            "frame": frame.number,
            "time": round(item.time, 3),
            "age": round(item.age, 3),
            "source": frame.source,
        }
    answer: dict[str, object] = {"answer": item.decision.label, "changed": item.decision.changed}
    if item.decision.counts is not None:
        previous = item.decision.before[-1] if item.decision.before else None
        answer |= {"previous": previous, "counts": dict(item.decision.counts)}
    reason = doubt(item.prediction, item.decision.reason)
    frame_fields.update(item.zone.fields)
    of_frame = content(item.prediction, top)
    if item.decision.labels is not None:  # smoothed, like the answer
        of_frame["answers"] = list(item.decision.labels)
    return json.dumps({**frame_fields, **answer, **of_frame, **reason}, ensure_ascii=False)


def _state(item: SourceState | ModelState) -> dict[str, object]:
    if isinstance(item, ModelState):
        return {"model": item.name, "path": item.path, "reason": item.reason, "labels": item.labels}
    camera = {"camera": item.camera} if item.camera else {}
    return {**camera, "state": item.name, "reason": item.reason, "reopened": item.reopened}

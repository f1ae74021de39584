"""Predictions as lines of text or JSON."""

from __future__ import annotations

import json
import time

from edgeclf_runtime.prediction import Prediction

__all__ = ["json_line", "text_line"]


def text_line(prediction: Prediction, name: str, top: int) -> str:
    """``name  label 93%  label 4%  5.1 ms``."""
    ranked = "  ".join(f"{label} {score:.1%}" for label, score in prediction.ranked[:top])
    spent = sum(value for stage, value in prediction.milliseconds.items() if stage != "capture")
    return f"{name}  {ranked}  ({spent:.1f} ms)"


def json_line(prediction: Prediction, top: int) -> str:
    """One object: frame, time (seconds since 1970), source, label, score, the best ``scores``, and milliseconds."""
    content: dict[str, object] = {}
    frame = prediction.frame
    if frame is not None:
        moment = time.time() - (time.monotonic() - frame.time)
        content |= {"frame": frame.number, "time": round(moment, 3), "source": frame.source}
    content |= {
        "label": prediction.label,
        "score": round(prediction.score, 6),
        "scores": [{"label": label, "score": round(score, 6)} for label, score in prediction.ranked[:top]],
        "milliseconds": {stage: round(value, 3) for stage, value in prediction.milliseconds.items()},
    }
    return json.dumps(content, ensure_ascii=False)

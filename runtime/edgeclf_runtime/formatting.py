"""Format predictions as lines of text or JSON."""

from __future__ import annotations

import json
import math

from edgeclf_runtime.prediction import UNFAMILIAR, Prediction

__all__ = ["answer_text", "content", "doubt", "json_line", "rounded", "text_line"]


def answer_text(prediction: Prediction, answer: str, reason: str | None) -> str:
    """Format as ``unknown (unfamiliar)``; without the reason if the model has no familiarity, as there is only one."""
    is_shown = reason == UNFAMILIAR or (reason and prediction.familiarity is not None)
    return f"{answer} ({reason})" if is_shown else answer


def text_line(prediction: Prediction, name: str, top: int) -> str:
    """Format as ``name  label 93%  label 4%  (5.1 ms)``."""
    ranked = "  ".join(f"{label} {score:.1%}" for label, score in prediction.ranked[:top])
    spent = sum(value for stage, value in prediction.milliseconds.items() if stage != "capture")
    return f"{name}  {ranked}  ({spent:.1f} ms)"


def json_line(prediction: Prediction, top: int) -> str:
    """Format as one JSON object: frame and source, if any, ``content``, and ``doubt``."""
    frame = prediction.frame
    frame_fields: dict[str, object] = {"frame": frame.number, "source": frame.source} if frame else {}
    fields = {**frame_fields, "answer": prediction.answer, **content(prediction, top)}
    return json.dumps({**fields, **doubt(prediction, prediction.reason)}, ensure_ascii=False)


def rounded(score: float, digits: int) -> float:
    """Round a score for JSON, which has no NaN; a broken model may give one."""
    return round(float(score), digits) if math.isfinite(score) else 0.0


def content(prediction: Prediction, top: int) -> dict[str, object]:
    """Return label, score, the best ``scores`` and milliseconds for JSON; all ``answers`` if there may be several."""
    answers = {"answers": list(prediction.answers)} if prediction.label_thresholds else {}
    return {
        **answers,
        "label": prediction.label,
        "score": rounded(prediction.score, 6),
        "scores": [{"label": label, "score": rounded(score, 6)} for label, score in prediction.ranked[:top]],
        "milliseconds": {stage: round(value, 3) for stage, value in prediction.milliseconds.items()},
    }


def doubt(prediction: Prediction, reason: str | None) -> dict[str, object]:
    """Return ``familiarity`` and the ``reason`` for "unknown", for JSON; nothing if the model has no familiarity."""
    if prediction.familiarity is None:
        return {}
    return {"familiarity": rounded(prediction.familiarity, 6), "reason": reason}

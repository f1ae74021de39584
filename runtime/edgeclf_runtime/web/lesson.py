"""The teaching part of the capture page: its buttons, the live answer, and how good the taught model is."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Callable, Protocol

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edgeclf_runtime.classifier import Picture
from edgeclf_runtime.frame import Frame
from edgeclf_runtime.pictures.images import read_image
from edgeclf_runtime.prediction import Prediction
from edgeclf_runtime.sinks.jpeg import small_jpeg
from edgeclf_runtime.web.discarded_images import DiscardedImages
from edgeclf_runtime.web.live_answer import LiveAnswer, answer_of
from edgeclf_runtime.web.requests import read_texts, refusing
from edgeclf_runtime.web.uploads import Uploads, check_photograph

__all__ = ["Lesson", "Teaching"]

_SIDE, _BYTES = 320, 1 << 16  # maximum of a thumbnail, in pixels and in bytes


class Teaching(Protocol):
    """The interface of ``learning.teacher.Teacher``.

    Attributes:
        model: path of the taught model.
        changed: called when ``state`` has changed.
    """

    model: Path
    changed: Callable[[], None]

    def begin(self) -> object:
        """Start teaching."""
        ...

    def undo(self) -> None:
        """Restore the previous model."""
        ...

    def answer(self, picture: Picture) -> Prediction | None:
        """Classify an image; None without a model."""
        ...

    def state(self) -> dict[str, Any]:
        """Return the state of the teaching."""
        ...

    def report(self) -> dict[str, Any] | None:
        """Return how good the model is; None if unknown."""
        ...


class Lesson:
    """Serves the teaching part of the page.

    Args:
        teaching: teaches the model.
        folder: folder of the photographs.
        uploads: receives photographs of a browser's own camera.
        changed: called when there is something new to show.
    """

    def __init__(self, teaching: Teaching, folder: Path, uploads: Uploads, changed: Callable[[], None]) -> None:
        self._teaching, self._uploads, self._changed = teaching, uploads, changed
        self._discarded = DiscardedImages(folder)
        self._answers = LiveAnswer(teaching.answer)
        teaching.changed = changed

    def show(self, frame: Frame) -> None:
        """Answer to a frame."""
        self._answers.put(frame)

    def state(self) -> dict[str, Any]:
        """Return the state of the teaching, with the ``live`` answer to the camera's newest frame, or null."""
        state = self._teaching.state()
        return {**state, "live": self._answers.newest if state["model"] else None}

    def close(self) -> None:
        """Stop answering."""
        self._answers.close()

    def _wrong(self, name: str) -> str:
        """Return the name of an image in the report; refuse any other."""
        report = self._teaching.report()
        if report is None or name not in [mistake["file"] for mistake in report["mistakes"]]:
            raise HTTPException(404, "This image is not among those that may do harm.")
        return name

    def _report(self) -> dict[str, Any] | None:
        """Return the report, with the images that still exist, and whether each is ``discarded``."""
        report = self._teaching.report()
        if report is None:
            return None
        there = [each for each in report["mistakes"] if self._discarded.path(each["file"]).is_file()]
        return {**report, "mistakes": [{**each, "discarded": self._discarded.has(each["file"])} for each in there]}

    def _thumbnail(self, name: str) -> bytes:
        content = small_jpeg(read_image(self._discarded.path(name), min_size=(_SIDE, _SIDE)), _SIDE, _BYTES)
        if content is None:
            raise HTTPException(404, "This image cannot be shown.")
        return content

    def routes(self) -> list[Route]:
        """Return the routes of the buttons, the model file, the report and its images."""

        async def teach(request: Request) -> Response:
            await refusing(self._teaching.begin)
            self._changed()
            return JSONResponse({})

        async def undo(request: Request) -> Response:
            await refusing(self._teaching.undo)
            return JSONResponse({})

        async def report(request: Request) -> Response:
            return JSONResponse(await asyncio.to_thread(self._report))

        async def model(request: Request) -> Response:
            try:
                content = await asyncio.to_thread(self._teaching.model.read_bytes)
            except OSError:
                raise HTTPException(404, "There is no model yet. Press Teach first.") from None
            headers = {"content-disposition": f'attachment; filename="{self._teaching.model.name}"'}
            return Response(content, media_type="application/octet-stream", headers=headers)

        async def wrong(request: Request) -> Response:
            name = self._wrong(request.query_params.get("file", ""))
            return Response(await refusing(lambda: self._thumbnail(name)), media_type="image/jpeg")

        async def discard(request: Request) -> Response:
            (name,) = await read_texts(request, "file")
            await refusing(lambda: self._discarded.discard(self._wrong(name)))
            return JSONResponse({})

        async def restore(request: Request) -> Response:
            (name,) = await read_texts(request, "file")
            await refusing(lambda: self._discarded.restore(self._wrong(name)))
            return JSONResponse({})

        async def answer(request: Request) -> Response:
            prediction = await self._uploads.receive(request, lambda data: self._answered(data))
            return JSONResponse(None if prediction is None else answer_of(prediction))

        looks = {"/report.json": report, "/model.tflite": model, "/wrong.jpg": wrong}
        posts = {
            "/teach": teach,
            "/undo-teaching": undo,
            "/discard": discard,
            "/restore": restore,
            "/answer": answer,
        }
        return [
            *(Route(path, endpoint) for path, endpoint in looks.items()),
            *(Route(path, endpoint, methods=["POST"]) for path, endpoint in posts.items()),
        ]

    def _answered(self, data: bytes) -> Prediction | None:
        return self._teaching.answer(check_photograph(data)[1])

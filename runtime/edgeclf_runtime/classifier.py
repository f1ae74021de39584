"""Classifier: runs a model with a backend and turns its outputs into predictions."""

from __future__ import annotations

import functools
import logging
import os
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Callable, Union

import numpy as np
import numpy.typing as npt

from edgeclf_runtime.backends.backend import Backend, TensorSpec
from edgeclf_runtime.backends.opening import open_backend
from edgeclf_runtime.backends.pool import in_order
from edgeclf_runtime.errors import ImageError, UsageError
from edgeclf_runtime.frame import Frame
from edgeclf_runtime.model.card import ModelCard
from edgeclf_runtime.model.features import with_features
from edgeclf_runtime.model.file import GoldenVector, ModelFile, PathOrLabels, PerChannel, read_model
from edgeclf_runtime.model.identity import ModelIdentity
from edgeclf_runtime.pictures.preprocess import InputEncoder, Pixels, resize
from edgeclf_runtime.pictures.view import View
from edgeclf_runtime.prediction import Prediction
from edgeclf_runtime.system.ahead import Ahead
from edgeclf_runtime.system.digest import sha256

if TYPE_CHECKING:
    from PIL import Image

    from edgeclf_runtime.sources import Source

__all__ = ["Classifier", "Fitted"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Fitted:
    """An image prepared for the network.

    Attributes:
        batch: ``[1, height, width, 3]`` in the input tensor's type.
        frame: the frame it was made from, if it came from a source.
        milliseconds: duration of the preparation.
    """

    batch: npt.NDArray[np.generic]
    frame: Frame | None
    milliseconds: float


Picture = Union[Frame, Pixels, str, "os.PathLike[str]", "Image.Image"]
"""What can be classified; see ``Classifier.classify``."""


class Classifier:
    """Classifies images. Can be used by as many threads at a time as its backend has lanes; as a context manager it
    closes its backend.

    Args:
        model: as read by ``read_model``.
        backend: opened with the model's content.

    Attributes:
        card: the model card.
        backend: the backend that runs it; ``backend.name`` and ``backend.reason`` say which one and why.
        golden, tolerance: images with the scores they must give, for ``verification.verify``.
        path: path of the model file.
        score_rule: how the network's outputs become scores.
        familiarity: tells familiar images from others; None if the file has none.
        expectation: the accuracy to expect on a camera; None if the file has none.
        examples: training images for display; None if the file has none.
        statement: the signed statement at the end of the file; checked only if ``load`` was given ``admit``.
        identity: identifies the file.
    """

    def __init__(self, model: ModelFile, backend: Backend) -> None:
        self.card: ModelCard = model.card
        self.backend = backend
        self.golden: tuple[GoldenVector, ...] = model.golden
        self.tolerance = model.tolerance
        self.path: Path = model.path
        self.score_rule = model.scores
        self.familiarity = model.familiarity
        self.expectation, self.examples, self.statement = model.expectation, model.examples, model.statement
        signed = self.statement.digest if self.statement else ""
        self.identity = ModelIdentity(str(model.path), self.card.name, model.digest or sha256(model.content), signed)
        self._is_checked = False  # whether raw outputs were checked to be probabilities
        tensor = backend.input
        self._encode = InputEncoder(self.card.preprocessing, tensor.dtype, tensor.scale, tensor.zero_point)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        labels: PathOrLabels | None = None,
        backend: str = "auto",
        threads: int | None = None,
        lanes: int = 1,
        mean: PerChannel | None = None,
        std: PerChannel | None = None,
        color: str | None = None,
        resize: str | None = None,
        scores: str | None = None,
        features: bool = False,
        reject: float | None = None,
        admit: Callable[[Path, bytes], object] | None = None,
    ) -> Classifier:
        """Open a .tflite file.

        Args:
            path: path of the file.
            labels, mean, std, color, resize, scores: values that override those of the file; see ``read_model``.
            backend: see ``backends.open_backend``.
            threads, lanes: see ``backends.open_backend``; 1 lane serves one thread at a time.
            features: also compute each prediction's features (``Prediction.features``); always done for a file with
                familiarity.
            reject: familiarity below which images are answered with "unknown", 0 to 1, overriding the card's; 0 refuses
                none.
            admit: called with the path and the content before an interpreter gets it; raises SignatureError to refuse
                the file, as ``trust.keys.TrustedKeys.check`` does.

        Raises:
            ModelError: the file is not an image classifier, or lacks a value that must be given here.
            BackendError: no interpreter, or the interpreter refuses the model.
            UsageError: unknown backend, unknown value of ``scores``, or ``reject`` outside 0 to 1.
        """
        if reject is not None and not 0 <= reject <= 1:
            raise UsageError(f"reject {reject}: expected 0 to 1.")
        model = read_model(path, labels, mean=mean, std=std, color=color, resize=resize, scores=scores)
        if admit is not None:
            admit(model.path, model.content)
        if reject is not None:
            model = replace(model, card=replace(model.card, reject=reject))
        content = with_features(model.content, model.network) if features or model.familiarity else None
        content = content or model.content[: model.network]
        model = replace(
            model, content=b"", digest=sha256(model.content)
        )  # frees it before the interpreter needs as much
        return cls(model, open_backend(backend, content, threads, lanes))

    def classify(self, picture: Picture) -> Prediction:
        """Classify one image.

        Args:
            picture: uint8 RGB ``[height, width, 3]`` of any size from 1x1; the path of an image file, which is read as
                ``read_image`` does; a Pillow image, which is turned upright, laid over white and converted to RGB in
                the same way; or a Frame, of which the region of its view is used. Everything but a Frame is classified
                as it is: the card's region and rotation for cameras are not applied. A JPEG file, and a Frame that came
                as a JPEG, is decoded by the card's rule (``Preprocessing.jpeg``); arrays and Pillow images are already
                decoded and used as they are.

        Returns:
            A Prediction with ``milliseconds`` for "resize" and "invoke"; reading a file is not included.

        Raises:
            ImageError: an array of another type or shape, or an image that cannot be read.
        """
        return self.score(self.fit(picture))

    def fit(self, picture: Picture) -> Fitted:
        """Prepare an image: the first half of ``classify``, which another thread may run during ``score``.

        Args, raises: as ``classify``.
        """
        frame, pixels = (picture, picture.pixels) if isinstance(picture, Frame) else (None, self._pixels(picture))
        start = time.perf_counter()
        rule = self.card.preprocessing
        pixels = frame.view.cut(frame.decoded_for(rule.min_decoded_size).pixels) if frame is not None else pixels
        fitted = resize(pixels, rule)
        batch = self._encode(fitted)[np.newaxis]
        return Fitted(batch, frame, (time.perf_counter() - start) * 1e3)

    def score(self, fitted: Fitted) -> Prediction:
        """Run the network on a prepared image: the second half of ``classify``."""
        start = time.perf_counter()
        output, stored = self.backend.invoke_with_features(fitted.batch)
        scores = self.score_rule.apply(_real(output[0], self.backend.output))
        features = None if stored is None or self.backend.features is None else _real(stored[0], self.backend.features)
        familiarity = self.familiarity.of(features) if self.familiarity and features is not None else None
        spent = {"resize": fitted.milliseconds, "invoke": (time.perf_counter() - start) * 1e3}
        if not self._is_checked:
            self._check(scores)
        return Prediction(
            scores,
            self.card.labels,
            spent,
            fitted.frame,
            self.card.threshold or 0.0,
            familiarity=familiarity,
            reject=self.card.reject or 0.0,
            features=features,
            label_thresholds=self.card.label_thresholds,
        )

    def _check(self, scores: npt.NDArray[np.float32]) -> None:
        """Warn once if the scores are not probabilities, because a threshold is then meaningless."""
        if self.score_rule.misfit(scores):
            self._is_checked = True
            _log.warning(
                "%s: its scores (%.3g to %.3g) are not probabilities. If they are logits: --scores softmax",
                self.path,
                scores.min(),
                scores.max(),
            )

    def warm_up(self) -> None:
        """Classify a grey image: the first call takes longer, and shows whether the model works at all."""
        rule = self.card.preprocessing
        self.classify(np.full((rule.height, rule.width, 3), 128, np.uint8))

    def stream(self, source: Source | str | int | Path, whole: bool | None = None) -> Generator[Prediction, None, None]:
        """Classify the frames of a source.

        Args:
            source: a Source, or anything that ``open_source`` opens: a camera number, a path, an address.
            whole: whether to rotate and crop the images as the card says for a camera; None does so for cameras,
                streams and videos, but not for image files.

        Yields:
            A Prediction per frame, with its frame and, in milliseconds, "capture": the time spent waiting for it.
            The source is closed when it ends, when the iterator is closed, or when an error is raised.

        Raises:
            SourceError: the source cannot be opened or is lost.
        """
        from edgeclf_runtime.sources import is_camera, open_source

        if isinstance(source, (str, int, Path)):
            source = open_source(source)
        view = self.card.view if (is_camera(source) if whole is None else whole) else View()
        if (decode_for := getattr(source, "decode_for", None)) is not None:
            decode_for(view.before_turning(self.card.preprocessing.min_decoded_size))
        with closing(self._scored(source, view)) as scored, source:
            start = time.perf_counter()
            for prediction in scored:
                captured = max(0.0, (time.perf_counter() - start) * 1e3 - prediction.milliseconds["invoke"])
                yield replace(prediction, milliseconds={"capture": captured, **prediction.milliseconds})
                start = time.perf_counter()

    def _scored(self, source: Source, view: View) -> Generator[Prediction, None, None]:
        """Yield the predictions for its frames in order; close this generator after the source."""
        from edgeclf_runtime.sources.source import Undecoded

        if self.backend.lanes > 1 and isinstance(source, Undecoded):
            decoded = functools.partial(self._decoded, view)
            yield from filter(None, in_order(decoded, source.undecoded(), self.backend.lanes))
            return
        size = self.card.preprocessing.min_decoded_size
        with Ahead(self.fit(frame.viewed(view, size)) for frame in source) as ahead:
            yield from in_order(self.score, ahead, self.backend.lanes)

    def _decoded(self, view: View, decode: Callable[[], Frame | None]) -> Prediction | None:
        frame = decode()
        size = self.card.preprocessing.min_decoded_size
        return self.classify(frame.viewed(view, size)) if frame is not None else None

    def _pixels(self, picture: Pixels | str | os.PathLike[str] | Image.Image) -> Pixels:
        """Return the pixels of a file or a Pillow image; an array is returned unchanged."""
        if isinstance(picture, np.ndarray):
            return picture
        if isinstance(picture, (str, os.PathLike)):
            from edgeclf_runtime.pictures.images import read_image

            return read_image(picture, min_size=self.card.preprocessing.min_decoded_size)
        from edgeclf_runtime.pictures.pillow import is_pillow_image, pillow_pixels

        if is_pillow_image(picture):
            return pillow_pixels(picture)
        raise ImageError(
            "Expected a uint8 RGB image [height, width, 3], the path of an image, a Pillow image or a Frame, "
            f"got {type(picture).__name__}."
        )

    def close(self) -> None:
        """Release the interpreter; safe to call twice."""
        self.backend.close()

    def __enter__(self) -> Classifier:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _real(stored: npt.NDArray[np.generic], tensor: TensorSpec) -> npt.NDArray[np.float32]:
    """Return the real values of a tensor."""
    if tensor.dtype == np.float32:
        return stored.astype(np.float32)
    return ((stored.astype(np.float64) - tensor.zero_point) * tensor.scale).astype(np.float32)

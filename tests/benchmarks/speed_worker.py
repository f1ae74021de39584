"""One way of classifying frames, timed by rounds: python speed_worker.py WAY MODEL INPUT THREADS [SOURCES]

For each line on standard input it goes through INPUT once and prints a line of JSON: frames, wall and processor
seconds. INPUT is an .npy of frames ``[count, height, width, 3]`` or a video. Imports only what WAY needs: MediaPipe
runs in an environment without edgeclf.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

Round = Callable[[], int]


def ours(model: str, path: str, threads: int, sources: int, fast: bool = False, lanes: int = 1) -> Round:
    """The frame path of ``edgeclf run``; several sources share its interpreters."""
    import cv2

    from edgeclf_runtime import Classifier
    from edgeclf_runtime.backends.pool import in_order
    from edgeclf_runtime.pictures.preprocess import min_side
    from edgeclf_runtime.sources import SourceOptions, open_source
    from edgeclf_runtime.system.ahead import Ahead

    cv2.setNumThreads(1)  # as ``edgeclf run`` does
    classifier = Classifier.load(model, threads=threads, lanes=lanes)
    options = SourceOptions(min_decoded_size=min_side(classifier.card.preprocessing) if fast else 0)
    frames = np.load(path) if path.endswith(".npy") else None

    def predictions() -> Iterator[Any]:
        if frames is None:
            yield from classifier.stream(open_source(path, options))
        elif lanes > 1:
            yield from in_order(classifier.classify, frames, lanes)
        else:
            with Ahead(map(classifier.fit, frames)) as ahead:
                yield from map(classifier.score, ahead)

    def one(counts: list[int]) -> None:
        for prediction in predictions():
            assert prediction.label
            counts.append(1)

    def run() -> int:
        counts: list[int] = []
        others = [threading.Thread(target=one, args=(counts,)) for _ in range(sources - 1)]
        for thread in others:
            thread.start()
        one(counts)
        for thread in others:
            thread.join()
        return len(counts)

    return run


def fast(model: str, path: str, threads: int, sources: int) -> Round:
    """``edgeclf run --fast-decode``."""
    return ours(model, path, threads, sources, fast=True)


def ours_two(model: str, path: str, threads: int, sources: int) -> Round:
    """``edgeclf run --interpreters 2``, its default for videos on two cores."""
    return ours(model, path, 1, sources, lanes=2)


def fast_two(model: str, path: str, threads: int, sources: int) -> Round:
    """The same with ``--fast-decode``."""
    return ours(model, path, 1, sources, fast=True, lanes=2)


def _interpreter(model: str, threads: int) -> tuple[Any, int, int]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=model, num_threads=threads)
    interpreter.allocate_tensors()
    return interpreter, interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]


def plain(model: str, path: str, threads: int, _: int, area: bool = True) -> Round:
    """A plain script: read, resize and invoke, one after the other."""
    import cv2

    interpreter, source, target = _interpreter(model, threads)
    _, height, width, _ = interpreter.get_input_details()[0]["shape"]
    frames = np.load(path) if path.endswith(".npy") else None

    def read() -> Iterator[Any]:
        if frames is not None:
            yield from frames
            return
        video = cv2.VideoCapture(path)
        while True:
            good, image = video.read()
            if not good:
                return
            yield cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

    def run() -> int:
        count = 0
        for image in read():
            fitted = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if area else cv2.INTER_LINEAR)
            interpreter.set_tensor(source, fitted[np.newaxis])
            interpreter.invoke()
            interpreter.get_tensor(target)[0].argmax()
            count += 1
        return count

    return run


def plain_linear(model: str, path: str, threads: int, sources: int) -> Round:
    """The same with OpenCV's default resizing, which skips pixels."""
    return plain(model, path, threads, sources, area=False)


def invoke(model: str, path: str, threads: int, _: int) -> Round:
    """The interpreter alone."""
    interpreter, _, _ = _interpreter(model, threads)

    def run() -> int:
        for _ in range(100):
            interpreter.invoke()
        return 100

    return run


def mediapipe(model: str, path: str, threads: int, _: int) -> Round:
    """MediaPipe's ImageClassifier, which chooses its own number of threads; frames of a video are read by OpenCV."""
    import cv2
    import mediapipe as mp
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.ImageClassifierOptions(base_options=BaseOptions(model_asset_path=model), max_results=1)
    classifier = vision.ImageClassifier.create_from_options(options)
    frames = np.load(path) if path.endswith(".npy") else None

    def classify(image: Any) -> None:
        classifier.classify(mp.Image(image_format=mp.ImageFormat.SRGB, data=image))

    def run() -> int:
        count = 0
        if frames is not None:
            for image in frames:
                classify(image)
            return len(frames)
        video = cv2.VideoCapture(path)
        while True:
            good, image = video.read()
            if not good:
                return count
            classify(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
            count += 1

    return run


WAYS = {
    "ours": ours,
    "fast": fast,
    "ours-two": ours_two,
    "fast-two": fast_two,
    "plain": plain,
    "plain-linear": plain_linear,
    "mediapipe": mediapipe,
    "invoke": invoke,
}


def main() -> None:
    way, model, path, threads = sys.argv[1:5]
    run = WAYS[way](model, str(Path(path)), int(threads), int(sys.argv[5]) if len(sys.argv) > 5 else 1)
    run()  # the first round is a warm-up
    print("ready", flush=True)
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        frames = run()
        print(json.dumps([frames, time.perf_counter() - wall, time.process_time() - cpu]), flush=True)


if __name__ == "__main__":
    main()

"""Print the labels that Frigate's custom classification gives to images, as in its version 0.17:
frigate_labels.py FOLDER IMAGE...

FOLDER holds model.tflite and labelmap.txt. Prints a JSON list of [label, score].
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np

try:
    from tflite_runtime.interpreter import Interpreter
except ModuleNotFoundError:
    from ai_edge_litert.interpreter import Interpreter

SIZE = 224


def frigate_labels(folder: Path, images: list[Path], size: int = SIZE) -> list[tuple[str, float]]:
    """Return the label of each image, and its share of the output's sum, rounded to hundredths."""
    interpreter = Interpreter(model_path=str(folder / "model.tflite"), num_threads=2)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    labels = [line.strip() for line in (folder / "labelmap.txt").read_text("utf-8").splitlines()]
    found = []
    for path in images:
        rgb = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        interpreter.set_tensor(source, np.expand_dims(cv2.resize(rgb, (size, size)), axis=0))
        interpreter.invoke()
        output = interpreter.get_tensor(target)[0]
        shares = output / output.sum(axis=0)
        best = int(np.argmax(shares))
        found.append((labels[best], float(round(shares[best], 2))))
    return found


if __name__ == "__main__":
    print(json.dumps(frigate_labels(Path(sys.argv[1]), list(map(Path, sys.argv[2:])))))

"""Print a JSON list of the best labels, in MediaPipe's own environment: mediapipe_labels.py MODEL PICTURES.npy."""

import json
import sys

import mediapipe as mp
import numpy as np
from mediapipe.tasks.python import BaseOptions, vision

options = vision.ImageClassifierOptions(base_options=BaseOptions(model_asset_path=sys.argv[1]), max_results=-1)
with vision.ImageClassifier.create_from_options(options) as classifier:
    best_labels = []
    for pixels in np.load(sys.argv[2]):
        result = classifier.classify(mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(pixels)))
        best = result.classifications[0].categories[0]
        best_labels.append({"label": best.category_name, "score": best.score})
print(json.dumps(best_labels))

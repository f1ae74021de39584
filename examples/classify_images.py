"""Classify images from Python: python examples/classify_images.py model.tflite photo.jpg ..."""

import sys

from edgeclf_runtime import Classifier

with Classifier.load(sys.argv[1]) as classifier:
    for path in sys.argv[2:]:
        prediction = classifier.classify(path)
        print(path, prediction.label, f"{prediction.score:.2f}")

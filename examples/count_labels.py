"""Count what a camera (until Ctrl-C), video or folder shows: python examples/count_labels.py model.tflite SOURCE"""

import sys
from collections import Counter
from contextlib import suppress

from edgeclf_runtime import Classifier
from edgeclf_runtime.errors import SourceEnded

counts: Counter[str] = Counter()
with Classifier.load(sys.argv[1]) as classifier, suppress(KeyboardInterrupt, SourceEnded):
    for prediction in classifier.stream(sys.argv[2]):
        if prediction.score >= 0.6:
            counts[prediction.label] += 1
for label, count in counts.most_common():
    print(f"{count:6}  {label}")

"""Print each change of a steady answer from a sink of your own: python examples/own_sink.py model.tflite SOURCE"""

import sys

from edgeclf_runtime import Classifier, DecisionRule, GateRule, Observation, Pipeline, open_source


class Changes:
    """A sink that gets each classified frame, in a thread of its own."""

    name, pictures = "changes", False

    def take(self, item: object) -> None:
        if isinstance(item, Observation) and item.decision.changed:
            print(f"{item.time:.1f} {item.decision.label} {item.decision.score:.2f}")

    def close(self) -> None:
        print("closed")


steady, slow = DecisionRule(votes=2, window=3), GateRule(max_fps=100)
with Classifier.load(sys.argv[1]) as classifier:
    pipeline = Pipeline(classifier, [Changes()], steady, slow, lossless=True)
    pipeline.run(open_source(sys.argv[2], listener=pipeline.tell))

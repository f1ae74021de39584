"""Every backbone can be trained with rounding: flattened, folded and built again, it computes the same."""

from __future__ import annotations

import numpy as np
import pytest

from edgeclf.model.backbones.registry import BACKBONES
from edgeclf.model.network import build_classifier, with_softmax
from edgeclf_converters.graph.fold import fold
from edgeclf_converters.graph.nodes import build, flatten
from edgeclf_converters.quantize.fake_quant import ranged_nodes


@pytest.mark.parametrize("name", [name for name, entry in BACKBONES.items() if not entry.repository])
def test_a_folded_backbone_keeps_its_function(name: str) -> None:
    check_folded(name)


def check_folded(name: str) -> None:
    """Compare a backbone with random weights before and after folding; ``tests/networks`` does so for the others."""
    model = with_softmax(build_classifier(BACKBONES[name], None, 3))
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if type(layer).__name__ == "BatchNormalization":
            layer.set_weights([w * rng.uniform(0.8, 1.2, w.shape) + 0.01 for w in layer.get_weights()])
    model.get_layer("logits").set_weights([rng.normal(0, 1, w.shape) for w in model.get_layer("logits").get_weights()])
    nodes = fold(flatten(model))
    images = rng.uniform(-1, 1, (2, 64, 64, 3)).astype(np.float32)
    np.testing.assert_allclose(build(nodes)(images), model(images), atol=1e-3)
    assert not any(node.kind == "BatchNormalization" for node in nodes)
    assert nodes[0].name in ranged_nodes(nodes)

"""Convert a tf_keras image classifier to one self-describing TensorFlow Lite file.

    from edgeclf_converters import Labelled, convert_int8

    done = convert_int8(model, images, "model.tflite", card, training=lambda: Labelled(pixels, targets))
    print(done.search.best.step, done.search.best.parity.drop)

TensorFlow is imported when something is converted, not when this package is.
"""

from __future__ import annotations

from edgeclf_converters.errors import ConversionError
from edgeclf_converters.export import Conversion, convert_int8, export
from edgeclf_converters.parity.parity import Parity
from edgeclf_converters.parity.scores import Labelled
from edgeclf_converters.quantize.int8 import METHODS, search_int8
from edgeclf_converters.quantize.qat import QatConfig
from edgeclf_converters.quantize.trials import Search, Step
from edgeclf_converters.tflite.convert import MODES, convert
from edgeclf_runtime import __version__

__all__ = [
    "METHODS",
    "MODES",
    "Conversion",
    "ConversionError",
    "Labelled",
    "Parity",
    "QatConfig",
    "Search",
    "Step",
    "__version__",
    "convert",
    "convert_int8",
    "export",
    "search_int8",
]

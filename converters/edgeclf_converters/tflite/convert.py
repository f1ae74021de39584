"""Convert a tf_keras classifier to the bytes of a TensorFlow Lite model."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from edgeclf_converters.errors import ConversionError
from edgeclf_converters.frameworks import quiet, tensorflow
from edgeclf_converters.tflite.calibrate import quantize_ranged, with_ranges
from edgeclf_converters.tflite.signature import with_signature
from edgeclf_runtime.model.flatbuffer import Table, read_flat_model
from edgeclf_runtime.pictures.preprocess import Pixels, Preprocessing

__all__ = ["MODES", "check_model", "check_pictures", "convert", "convert_rounding", "convert_with_float"]

MODES = ("int8", "float32", "float16", "dynamic")
"""Full integer; float; float with weights in 16 bits; integer weights with float activations."""

_FLOATS = {0: "float32", 1: "float16", 10: "float64"}


def convert(model: Any, mode: str, calibration: Sequence[Pixels], preprocessing: Preprocessing) -> bytes:
    """Convert a network.

    Args:
        model: a network from normalized RGB float32 ``[batch, height, width, 3]`` to scores ``[batch, classes]``.
        mode: one of ``MODES``.
        calibration: for int8, images, uint8 RGB ``[height, width, 3]`` from ``preprocess.resize``, of the kind that the
            model will see (activation ranges are measured on them: Jacob et al., CVPR 2018); otherwise empty.
        preprocessing: the model's preprocessing. Its mean and std become the quantization of the int8 model's input.

    Returns:
        a flatbuffer with a fixed batch size of 1; for int8, input and output are uint8 and all tensors are integers.

    Raises:
        ConversionError: the mode is unknown, the images cannot be used, or the result is not fully integer.
    """
    if mode not in MODES:
        raise ConversionError(f"Mode {mode!r}: expected one of {', '.join(MODES)}.")
    shape = (preprocessing.height, preprocessing.width, 3)
    check_model(model, preprocessing)
    tf = tensorflow()
    converter = _converter(model, shape)
    if mode == "int8":
        return _calibrated(converter, calibration, preprocessing)[0]
    if mode == "float16":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    elif mode == "dynamic":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return _converted(converter)


def convert_with_float(
    model: Any, calibration: Sequence[Pixels], preprocessing: Preprocessing
) -> tuple[bytes, bytes | None]:
    """Convert a network to int8 and also return the float32 file that the converter makes on the way.

    Returns:
        the bytes of ``convert`` for int8; and those for float32, without notes on the conversion, or None if this
        version of TensorFlow does not expose them.
    """
    check_model(model, preprocessing)
    return _calibrated(_converter(model, (preprocessing.height, preprocessing.width, 3)), calibration, preprocessing)


def _calibrated(
    converter: Any, calibration: Sequence[Pixels], preprocessing: Preprocessing
) -> tuple[bytes, bytes | None]:
    check_pictures(calibration, preprocessing)
    pictures, floats = _with_extremes(calibration), []
    by_tensorflow = getattr(converter, "_quantize", None)  # not public: its own calibrator still does without

    def quantize(content: Any, input_type: Any, output_type: Any, *options: Any) -> Any:
        floats.append(bytes(content))
        ranged = with_ranges(floats[0], pictures, preprocessing)
        if ranged is None:
            return by_tensorflow(content, input_type, output_type, *options)  # type: ignore[misc]
        return quantize_ranged(ranged, input_type, output_type)

    if by_tensorflow is not None:
        converter._quantize = quantize
    converter.representative_dataset = lambda: _batches(pictures, preprocessing)
    _full_integer(converter)
    converter.target_spec.supported_ops = [tensorflow().lite.OpsSet.TFLITE_BUILTINS_INT8]
    content = _converted(converter)
    _check_integer(content)
    return content, floats[0] if floats else None


def convert_rounding(model: Any, preprocessing: Preprocessing) -> bytes:
    """Convert a network from ``fake_quant.quantized``; its ranges become the integers' scales.

    Returns:
        a flatbuffer like that of ``convert`` for int8.

    Raises:
        ConversionError: the result is not fully integer.
    """
    converter = _converter(model, (preprocessing.height, preprocessing.width, 3))
    _full_integer(converter)
    content = _converted(converter)
    _check_integer(content)
    return content


def _full_integer(converter: Any) -> None:
    tf = tensorflow()
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    # Older interpreters and the Edge TPU's compiler do not support dense layers with a scale per channel.
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True


def check_model(model: Any, preprocessing: Preprocessing) -> None:
    """Check that a network's input and output are those of a classifier with this preprocessing.

    Raises:
        ConversionError: the input or output does not fit.
    """
    shape = (preprocessing.height, preprocessing.width, 3)
    if len(getattr(model, "inputs", None) or ()) != 1 or len(getattr(model, "outputs", None) or ()) != 1:
        raise ConversionError("Expected a network with one input and one output that was built; build it first.")
    given = tuple(model.input_shape)[1:]
    if len(given) != 3 or any(a is not None and a != b for a, b in zip(given, shape, strict=True)):
        raise ConversionError(f"The network's input is {list(given)}, but its preprocessing gives {list(shape)}.")
    if len(model.output_shape) != 2 or model.output_shape[1] < 2:
        raise ConversionError(f"The network's output is {list(model.output_shape)}, expected [batch, classes].")


def _converter(model: Any, shape: tuple[int, ...]) -> Any:
    tf = tensorflow()
    function = tf.function(lambda pictures: model(pictures, training=False))
    concrete = function.get_concrete_function(tf.TensorSpec([1, *shape], tf.float32, name="image"))
    # The converter saves the object it is given. In a whole Keras model, each layer is traced again, which takes four
    # times as long; the variables alone give the same file.
    variables = tf.Module()
    variables.used = concrete.variables
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], variables)
    # Saving takes as long as all the rest, but without it, TensorFlow's calibrator crashes at a loop.
    converter.experimental_lower_to_saved_model = bool(concrete.graph.as_graph_def().library.function)
    return converter


def _converted(converter: Any) -> bytes:
    with quiet(), warnings.catch_warnings():
        # The converter warns about calibration statistics for every uint8 model, although they were given.
        warnings.filterwarnings("ignore", "Statistics for quantized inputs were expected", UserWarning)
        try:
            return with_signature(converter.convert())
        except (ValueError, RuntimeError, tensorflow().errors.OpError, _converter_error()) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ConversionError(f"TensorFlow's converter refuses this network: {reason}") from error


def _converter_error() -> type[Exception]:
    """Return the error that the converter raises for operators without an integer version; it is not public."""
    from tensorflow.lite.python.convert_phase import ConverterError

    return cast("type[Exception]", ConverterError)


def check_pictures(pictures: Sequence[Pixels], preprocessing: Preprocessing) -> None:
    """Check that images can be used for calibration.

    Raises:
        ConversionError: there are no images, they have another type or size, or they are noise.
    """
    shape = (preprocessing.height, preprocessing.width, 3)
    if not len(pictures):
        raise ConversionError("int8 needs calibration images: photographs of the kind that the model will see.")
    for picture in pictures:
        if picture.dtype != np.uint8 or picture.shape != shape:
            raise ConversionError(f"Calibration image {picture.dtype} {list(picture.shape)}, expected {list(shape)}.")
    if all(map(_is_noise, pictures)):
        raise ConversionError(
            "The calibration images are noise: neighbouring pixels have nothing in common. Ranges measured on them are "
            "wrong; use photographs of the kind that the model will see, from preprocess.resize."
        )


def _is_noise(picture: Pixels) -> bool:
    """Return whether neighbouring pixels are no more similar than any two pixels."""
    grey = picture.mean(axis=2)
    spread = float(grey.var())
    return spread > 1 and min(picture.shape[:2]) > 8 and float(np.square(np.diff(grey, axis=1)).mean()) > 1.6 * spread


def _with_extremes(pictures: Sequence[Pixels]) -> list[Pixels]:
    # A black and a white pixel fix the input's range to that of the normalization, so that the quantized input is the
    # pixel itself for any images.
    extreme = pictures[0].copy()
    extreme[0, 0], extreme[0, 1] = 0, 255
    return [*pictures, extreme]


def _batches(pictures: Sequence[Pixels], rule: Preprocessing) -> Iterator[list[npt.NDArray[np.float32]]]:
    mean, std = np.array(rule.mean, np.float32), np.array(rule.std, np.float32)
    for picture in pictures:
        yield [((picture.astype(np.float32) - mean) / std)[np.newaxis]]


def _check_integer(content: bytes) -> None:
    model = read_flat_model(content)
    if [model.inputs[0].dtype, model.outputs[0].dtype] != ["uint8", "uint8"]:
        raise ConversionError(f"Converted to {model.inputs[0].dtype} in and {model.outputs[0].dtype} out, not uint8.")
    for graph in Table.root(content, b"TFL3").tables(2):
        for tensor in graph.tables(0):
            kind = tensor.scalar(1, "b")
            if kind in _FLOATS:
                raise ConversionError(f"Not fully integer: {tensor.text(3)} stayed {_FLOATS[kind]}.")

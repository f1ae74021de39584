"""``export --pretrained``: what is refused before the network is built."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeclf import Quiet
from edgeclf.exporting.export import export_pretrained
from edgeclf_converters import ConversionError


def test_a_target_that_cannot_be_written_is_refused_first_and_needs_no_images(tmp_path: Path) -> None:
    for path, message in ((tmp_path / "none" / "m.tflite", "its folder does not exist"), (tmp_path, "is a folder")):
        with pytest.raises(ConversionError, match=message) as caught:
            export_pretrained("efficientnet-lite0", path, "int8", Quiet())
        assert "--calibration" not in str(caught.value)

"""Read a Matroska video of JPEGs by GStreamer; print the time of each image and the duration, in ms, as JSON."""

from __future__ import annotations

import json
import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

Gst.init(None)
pipeline = Gst.parse_launch("filesrc name=video ! matroskademux ! jpegdec ! appsink name=end sync=false")
pipeline.get_by_name("video").set_property("location", sys.argv[1])
pipeline.set_state(Gst.State.PLAYING)
times = []
while (sample := pipeline.get_by_name("end").emit("try-pull-sample", 20 * Gst.SECOND)) is not None:
    times.append(round(sample.get_buffer().pts / Gst.MSECOND))
duration = pipeline.query_duration(Gst.Format.TIME)[1] / Gst.MSECOND
pipeline.set_state(Gst.State.NULL)
print(json.dumps([times, duration]))

"""The keys of run.toml for videos and the window."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgeclf_runtime.sinks.keys import Opening, SinkKeys, key
from edgeclf_runtime.sinks.sink import Sink

__all__ = ["VideoKeys"]


@dataclass(frozen=True)
class VideoKeys(SinkKeys):
    """Write frames with the answers on them to video files, or show them in a window."""

    video: str = key("", "Folder for video with the answers, in segments")
    video_segment: float = key(60.0, "Length of a segment in seconds")
    video_bytes: int = key(1_000_000_000, "Maximum number of bytes of all segments")
    window: bool = key(False, "Show the frames in a window")

    def mistakes(self) -> Iterator[str]:
        if not 1 <= self.video_segment < math.inf or self.video_bytes < 100_000:
            yield "video_segment at least 1 second, video_bytes at least 100000"

    def open(self, run: Opening) -> Iterator[Sink]:
        if not self.video and not self.window:
            return
        from edgeclf_runtime.sinks.video.sink import VideoSink, WindowSink

        if self.video:
            videos = VideoSink(Path(self.video), self.video_segment, self.video_bytes)
            print(f"Videos: {videos.pattern}", file=sys.stderr, flush=True)
            yield videos
        if self.window:
            yield WindowSink()

    def recipients(self) -> tuple[str, ...]:
        return (self.video,)

    def folders(self) -> tuple[Path, ...]:
        from edgeclf_runtime.sinks.video.segments import folder_and_prefix

        return (folder_and_prefix(Path(self.video))[0].absolute(),) if self.video else ()

"""Frames in, faces out, to every sink: one thread, in order."""

from collections.abc import Sequence
from typing import NamedTuple

from facecli.faces import FrameResult
from facecli.stream.sinks import Quit, Sink
from facecli.stream.sources import VideoSource
from facecli.vision.analyze import Analyzer
from facecli.vision.annotate import annotate


class Summary(NamedTuple):
    """Counts of a finished stream; a face in ten frames counts ten times."""

    frames: int
    faces: int


def run_stream(source: VideoSource, analyzer: Analyzer, sinks: Sequence[Sink]) -> Summary:
    """Analyses every frame until the source ends or the user quits.

    The caller opens and closes source and sinks (they are context managers).

    Raises:
        SourceError: the source was lost or is cut short; all frames before were written.
        OutputError: a sink cannot write.
    """
    drawing = any(sink.wants_drawing for sink in sinks)
    frames = faces = 0
    for frame in source:
        found = analyzer.analyze(frame.image_rgb)
        height, width = frame.image_rgb.shape[:2]
        result = FrameResult(source.given, width, height, tuple(found), frame.index, frame.time_s)
        drawn = annotate(frame.image_rgb, found) if drawing else None
        frames, faces = frames + 1, faces + len(found)
        try:
            for sink in sinks:
                sink.write(result, drawn)
        except Quit:
            break
    return Summary(frames, faces)

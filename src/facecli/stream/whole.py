"""A file without a window: every frame analysed and written, in order, as fast as it goes."""

import contextlib
import threading
from collections.abc import Callable, Generator, Sequence

import numpy as np

from facecli.faces import Face
from facecli.stream.capture_thread import CaptureThread, frames_ahead
from facecli.stream.channel import End, InOrder
from facecli.stream.crew import crew
from facecli.stream.results import Summary, count_faces, frame_result
from facecli.stream.shield import Shield
from facecli.stream.sinks import Quit, Sink, is_row_sink
from facecli.stream.sources import FrameSource
from facecli.stream.watch import POLL_S, check_silence
from facecli.stream.worker import AnalysisThread, Analyze, Analyzed

Draw = Callable[[np.ndarray, Sequence[Face]], np.ndarray]
"""(H, W, 3) uint8 RGB and the faces in it -> an annotated copy."""
_RESULTS_AHEAD = 3


def run_whole(
    source: FrameSource,
    analyze: Analyze,
    sinks: Sequence[Sink],
    draw: Draw,
    shield: Shield,
    show_rejected: bool = True,
) -> Summary:
    """Decodes, analyses and writes at the same time; the same file gives the same rows every time.

    Raises what the source, the analysis or a sink raises; all frames before were written.
    """
    rows = [sink for sink in sinks if is_row_sink(sink)]
    summary = Summary()
    with (
        contextlib.suppress(Quit),
        contextlib.closing(_analyzed(source, analyze, show_rejected)) as all_analyzed,
    ):
        for (frame, _), faces, covered, _ in all_analyzed:
            number = summary.frames + 1
            summary = Summary(number, summary.faces + count_faces(faces), number)
            result = frame_result(source.given, frame, faces)
            if len(rows) == len(sinks):
                for row_sink in rows:
                    row_sink.write(result, None)
                continue
            drawn_rgb = draw(shield.cover(frame.image_rgb, covered, frame.time_s), faces)
            for sink in sinks:
                sink.write(result, drawn_rgb)
    return summary


def _analyzed(source: FrameSource, analyze: Analyze, show_rejected: bool) -> Generator[Analyzed, None, None]:
    """Every frame with its faces, in order."""
    stop = threading.Event()
    shots, results = InOrder(stop, 1), InOrder(stop, _RESULTS_AHEAD)
    capture = CaptureThread(source, shots)
    worker = AnalysisThread(analyze, shots, results, show_rejected)
    with crew(stop, [capture, worker], [shots, results]):
        first = True
        while True:
            item = results.get(POLL_S)
            if item is None:
                check_silence(source, capture)
            elif isinstance(item, End):
                if item.error is not None:
                    raise item.error
                return
            else:
                if first:
                    shots.enlarge(frames_ahead(item.shot) - 1)
                first = False
                yield item

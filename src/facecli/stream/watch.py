"""A source that has fallen silent ends in an error, not in a freeze."""

from facecli.errors import SourceError
from facecli.stream.capture_thread import CaptureThread
from facecli.stream.sources import FrameSource

POLL_S = 0.05
"""How long the main thread waits for anything before it looks at keys and clocks again."""


def check_silence(source: FrameSource, capture: CaptureThread) -> None:
    """Raises SourceError when the source has owed a frame for too long."""
    if capture.silent_s() > source.stall_s:
        raise SourceError(
            f"{source.name} stalled: no frame for {source.stall_s:.0f} s; "
            "what was analysed until then is kept"
        )

"""Frames in, faces out, to every sink and the window: capture, analysis and drawing run apart."""

from collections.abc import Sequence

from facecli.stream.live import LivePicture
from facecli.stream.overlay import CoveredFaces, FollowedFaces, Follower
from facecli.stream.pace import Clock
from facecli.stream.results import Summary
from facecli.stream.shield import Protect, Shield
from facecli.stream.sinks import Sink
from facecli.stream.sources import FrameSource
from facecli.stream.stage import Stage, View
from facecli.stream.whole import Draw, run_whole
from facecli.stream.worker import Analyze
from facecli.vision.annotate import annotate


def run_live(
    source: FrameSource,
    analyze: Analyze,
    sinks: Sequence[Sink],
    view: View | None = None,
    *,
    follower: Follower | None = None,
    draw: Draw = annotate,
    protect: Protect | None = None,
    show_rejected: bool = True,
    clock: Clock | None = None,
) -> Summary:
    """Runs until the source ends or the user quits; the threads it starts have ended then.

    A file without a view: every frame is analysed and written, in order. Otherwise every frame is
    drawn when it is due and the newest is analysed: sinks that want drawings get every drawn frame,
    the others a row for each analysed one.

    Args:
        source: opened and closed by the caller, like sinks and view.
        analyze: called from one thread, with times that grow.
        sinks: get every result, in order.
        view: the window.
        follower: moves boxes on between analyses; `vision.follow.BoxFollower` when left out.
        draw: annotates frames for sinks that want drawings.
        protect: covers faces before anything is drawn or written. Then only analysed frames are
            drawn, each until the next: in another a face may be that nobody has found yet.
        show_rejected: tell of what was found and taken for no face. It is covered in any case.
        clock: the time that frames are drawn by.

    Raises:
        SourceError: the source was lost, stalled or is cut short; all frames before were written.
        OutputError: a sink cannot write.
    """
    shield = Shield(protect)
    if view is None and not source.live:
        return run_whole(source, analyze, sinks, draw, shield, show_rejected)
    overlay = CoveredFaces(shield) if protect else FollowedFaces(follower or _default_follower())
    clock = clock or Clock()
    stage = Stage(source, sinks, view, overlay, draw, clock.now)
    LivePicture(source, analyze, stage, clock, show_rejected).run()
    return stage.summary


def _default_follower() -> Follower:
    from facecli.vision.follow import BoxFollower

    return BoxFollower()

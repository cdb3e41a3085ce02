"""`facecli run --video`: a camera, a clip, numbered pictures or a stream."""

import contextlib
import functools
from pathlib import Path

from facecli.commands.messages import say
from facecli.commands.run_setup import (
    build_analyzer,
    check_display,
    closing_all,
    closing_on_sigterm,
    protection,
)
from facecli.commands.run_sinks import build_sinks, check_results
from facecli.commands.terms_notice import note_terms


def run_video(options: dict) -> None:
    """Analyses frames until the end, q, Esc, the window's close button or Ctrl-C.

    Raises FacecliError, after every file was closed.
    """
    from facecli.stream.engine import run_live
    from facecli.vision.annotate import annotate
    from facecli.vision.place import Habits

    _check(options)
    analyze = _build_analysis(options)
    with closing_on_sigterm(), _open(options) as source, contextlib.ExitStack() as stack:
        sinks = [stack.enter_context(sink) for sink in build_sinks(options, source)]
        view = None if options["no_show"] else stack.enter_context(_build_view(options, source, stack))
        summary = run_live(
            source,
            analyze,
            sinks,
            view,
            draw=functools.partial(annotate, uncertain_below=options["uncertain_below"], habits=Habits()),
            protect=protection(options),
            show_rejected=options["show_rejected"],
        )
    say(f"{source.name}: {_counted(summary, source.broken)}")


def _check(options: dict) -> None:
    """Refuses what cannot work, before anything is loaded. Raises InputError."""
    from facecli.stream.specs import check_spec, check_wishes, is_clip
    from facecli.stream.video_file import check_suffix

    check_spec(options["video"])
    check_wishes(options["video"], _wishes(options), options["reconnect"])
    check_results(options)
    if options["output"]:
        check_suffix(Path(options["output"]))
    if not options["no_show"]:
        check_display("the video")
    if options["output"] and is_clip(options["video"]):
        say(f"{options['output']} has no sound: audio is left out")


def _open(options: dict):
    """The source that the options describe. Raises SourceError."""
    from facecli.stream.opening import open_source
    from facecli.stream.reconnect import ReconnectingSource

    reopen = functools.partial(open_source, options["video"], _wishes(options), say)
    return ReconnectingSource(reopen, say) if options["reconnect"] else reopen()


def _wishes(options: dict):
    from facecli.stream.specs import Wishes

    return Wishes(options["width"], options["height"], options["fps"])


def _build_analysis(options: dict):
    """What is called with each frame and its time."""
    from facecli.vision.live import build_live_analyzer

    analyzer = build_analyzer(options)
    note_terms(options["detector"], (known.config for known in analyzer.checkpoints.values()))
    return build_live_analyzer(analyzer).analyze


def _build_view(options: dict, source, files: contextlib.ExitStack):
    """The window; a camera's picture is mirrored unless that was declined."""
    from facecli.stream.controls import Controls
    from facecli.stream.screen import Screen
    from facecli.stream.specs import is_camera
    from facecli.stream.view import LiveView

    mirror = is_camera(options["video"]) if options["mirror"] is None else options["mirror"]
    return LiveView(
        Screen(f"facecli - {source.name}", closing_all(files)),
        source=source.given,
        fps=source.fps,
        controls=Controls(mirror=mirror, protected=options["anonymize"]),
        uncertain_below=options["uncertain_below"],
    )


def _counted(summary, broken: int) -> str:
    from facecli.stream.sinks import count

    frames = count(summary.frames, "frame")
    if summary.analyzed != summary.frames:
        frames += f" ({summary.analyzed} analysed)"
    left_out = f", {count(broken, 'broken frame')} left out" if broken else ""
    return f"{frames}, {count(summary.faces, 'face')}{left_out}"

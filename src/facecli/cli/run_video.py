"""`facecli run --video`: cameras, clips, numbered pictures and streams."""

import contextlib
import functools
import importlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facecli.cli.options import STDIN, check_existing, check_targets, lies_in, model_files
from facecli.cli.output import complain, note_terms, say, say_written, show_text, warn
from facecli.cli.run_events import build_event_sinks
from facecli.cli.run_setup import (
    build_analyzer,
    build_other_sinks,
    check_display,
    closing_all,
    closing_on_sigterm,
    further_heads,
    protection,
    sink_files,
)
from facecli.core.console import bars_wanted, stderr_console
from facecli.core.errors import FacecliError, InputError, SourceError
from facecli.core.process import interrupts_held

if TYPE_CHECKING:
    from facecli.core.arrays import Array
    from facecli.core.faces import Face
    from facecli.infer.analyzer import Analyzer, ComparingAnalyzer
    from facecli.live.saved_tracks import SavedTracks
    from facecli.pipeline.stream import StreamSummary
    from facecli.sinks.base import Record
    from facecli.sinks.video import Sound
    from facecli.sources.frames import OpenSource
    from facecli.sources.video_specs import CaptureOptions
    from facecli.window.view import LiveView

_FILES = {
    "json_target": "--json",
    "csv_target": "--csv",
    "summary": "--summary",
    "save_tracks": "--save-tracks",
}


def show_cameras() -> None:
    """Prints a table of the cameras that give a picture; none is a result, too."""
    from facecli.core.process import quiet_stderr
    from facecli.sinks.table import plain_table
    from facecli.sources.capture import camera_table, list_cameras

    with quiet_stderr():
        cameras = list_cameras()
    if not cameras:
        show_text("no camera found")
        return
    for line in plain_table(camera_table(cameras)):
        show_text(line)


class _Job:
    """A video, where its drawn frames go (None: nowhere), and what its rows are called by messages."""

    def __init__(self, spec: str, output: Path | None) -> None:
        self.spec: str = spec
        self.output: Path | None = output


def plan_jobs(options: dict[str, Any]) -> list[_Job]:
    """Every video that is meant, with its output.

    Raises InputError: nothing is there, the output is no folder for several, or results would be written over
    each other or over what is read.
    """
    from facecli.core.files import TargetNames
    from facecli.sinks.video import CONTAINERS
    from facecli.sources.video_specs import check_spec, find_videos

    output = options["output"]
    is_file = output is None or Path(output).suffix.lower() in CONTAINERS
    videos = find_videos(options["video"], None if is_file else Path(output))
    for video in videos:
        check_spec(video.spec)
    if output is None:
        jobs = [_Job(video.spec, None) for video in videos]
    elif len(videos) > 1 or _names_folder(output):
        if Path(output).suffix.lower() in CONTAINERS or Path(output).is_file():
            raise InputError(f"{output} is one file for {len(videos)} videos; name a folder")
        names = TargetNames(CONTAINERS, ".mp4")
        jobs = [_Job(video.spec, Path(output) / names.claim(video.parts)) for video in videos]
    else:
        jobs = [_Job(videos[0].spec, Path(output))]
    _check_results(options, jobs)
    return jobs


def _names_folder(output: str) -> bool:
    return output.endswith((os.sep, "/")) or Path(output).is_dir()


def _check_results(options: dict[str, Any], jobs: Sequence[_Job]) -> None:
    """Raises InputError when two results would go to one place, into what is read, or cannot be made."""
    from facecli.sinks.video import check_suffix, choose_encoder

    if options["summary"] and len(jobs) > 1:
        raise InputError(
            "--summary works for a single video; write --json FILE and run 'facecli summarize FILE'"
        )
    if options["save_tracks"] and not _is_json(options["save_tracks"]):
        raise InputError(f"--save-tracks {options['save_tracks']} is not a file that ends in .json; name one")
    if (options["save_tracks"] or options["tracks"]) and len(jobs) > 1:
        raise InputError("tracks belong to a single video; run the videos one after the other")
    rows = {flag: options[name] for name, flag in _FILES.items()}
    read = [*(file for job in jobs for file in _read_by(job.spec)), *model_files(options)]
    if options["tracks"]:
        read.append((options["tracks"], "the file of tracks itself"))
    if options["save_tracks"]:
        check_thumbnails(options, read)
    for job in jobs:
        check_targets({**rows, **sink_files(options), "--output": job.output}, read)
    drawn = [("--output", job.output) for job in jobs]
    # Of pictures of this very run.
    begun = options.get("begun", ())
    rows = {flag: target for flag, target in rows.items() if target not in begun}
    check_existing([*rows.items(), *drawn], options["overwrite"])
    notes: list[str] = []
    for job in jobs:
        if job.output is not None:
            check_suffix(job.output)
            choose_encoder(job.output.suffix.lower(), options["codec"], notes.append)
    for note in dict.fromkeys(notes):
        say(note)


def check_thumbnails(options: dict[str, Any], read: Iterable[tuple[Path | str, str]]) -> None:
    """Raises InputError when --save-tracks would put its pictures among others."""
    folder = Path(options["save_tracks"]).with_suffix("")
    # Of thousands of pictures few folders are looked at.
    if any(lies_in(one, folder) for one in {Path(path).parent for path, _ in read}):
        raise InputError(
            f"--save-tracks writes thumbnails to {folder}, which contains input files; name another file"
        )
    if not options["overwrite"] and folder.is_dir() and any(folder.iterdir()):
        raise InputError(
            f"--save-tracks puts pictures into {folder}, where there are files already; give --overwrite to "
            "replace those of the same names, or another name"
        )


def _is_json(target: str) -> bool:
    path = Path(target)
    return path.suffix.lower() == ".json" and not path.is_dir() and not path.with_suffix("").is_file()


def _read_by(spec: str) -> Iterator[tuple[Path | str, str]]:
    """Every file that is read of a video, and what to call it."""
    from facecli.sources.video_specs import (
        is_address,
        is_camera,
        is_pipe,
        is_sequence,
        local_path,
        sequence_pictures,
    )

    if is_sequence(spec):
        yield from ((path, "among the pictures that are read") for path in sequence_pictures(spec))
    elif is_address(spec):
        if path := local_path(spec):
            yield path, "the clip itself"
    elif spec == "-":
        yield STDIN, "the clip itself"
    elif not is_camera(spec) and not is_pipe(spec):
        yield spec, "the clip itself"


def build_row_sinks(options: dict[str, Any], analyzer: object) -> list[Any]:
    """What the options ask for of all videos together, not yet entered; `analyzer` knows the model."""
    from facecli.schema import head_columns
    from facecli.sinks.rows import CsvSink, JsonSink
    from facecli.sinks.summary import LONGEST_GAP_S, SummarySink

    sinks: list[Any] = []
    # Behind the rows of pictures.
    begun = options.get("begun", ())
    if json_target := options["json_target"]:
        sinks.append(JsonSink(json_target, appends=json_target in begun))
    if csv_target := options["csv_target"]:
        appends, raw = csv_target in begun, options["raw_csv"]
        more = head_columns(further_heads(analyzer))
        sinks.append(CsvSink(csv_target, more=more, faces_only=True, is_raw=raw, appends=appends))
    if options["summary"]:
        longest_s = LONGEST_GAP_S if options["rate"] is None else max(LONGEST_GAP_S, 1.5 / options["rate"])
        sinks.append(SummarySink(options["summary"], longest_gap_s=longest_s))
    return sinks + build_other_sinks(options)


def build_frame_sinks(options: dict[str, Any], job: _Job, source: "OpenSource") -> list[Any]:
    """What the options ask for of one video, not yet entered."""
    from facecli.sinks.video import VideoFileSink, VideoOptions

    sinks: list[Any] = []
    if job.output is not None:
        sound = _sound_of(options, source)
        # What will be encoded otherwise than expected was said before anything was read.
        known = VideoOptions(
            options["codec"], options["quality"], source.bits_per_s, sound, notify=lambda note: None
        )
        sinks.append(VideoFileSink(job.output, source.fps, known))
    if options["no_show"] and bars_wanted():
        sinks.append(ProgressSink(source.promised))
    return sinks


def _sound_of(options: dict[str, Any], source: Any) -> "Callable[[float], Sound | None] | None":
    """What opens the sound of the drawn video, or None; what is left out unasked is said."""
    from facecli.sources.video_specs import is_pipe

    if not source.has_sound or options["audio"] == "none":
        return None
    if is_pipe(source.spec):
        say(f"{source.name} can be read only once: the annotated video has no sound")
        return None
    if options["anonymize"] and options["audio"] is None:
        say(
            f"{source.name}: the sound is left out, because a voice can identify a person; --audio "
            "copy keeps it"
        )
        return None
    from facecli.sources.sound import open_sound

    return functools.partial(open_sound, source)


class ProgressSink:
    """A bar on stderr that counts frames; without a known end it only runs."""

    wants_image = False

    def __init__(self, total: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

        columns = "frames", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        self._bar = Progress(*columns, console=stderr_console(), transient=True)
        self._task = self._bar.add_task("frames", total=total or None)

    def __enter__(self) -> "ProgressSink":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def write(self, record: "Record") -> None:
        self._bar.advance(self._task)


def check_videos(options: dict[str, Any]) -> None:
    """Raises InputError for what `run_video` would refuse before it begins."""
    _checked(options)


def run_video(options: dict[str, Any]) -> None:
    """Analyses frames until the end of every video, q, Esc, the window's close button or Ctrl-C.

    Of several videos one that cannot be read does not keep the others from it.

    Raises FacecliError, after every file was closed.
    """
    jobs = _checked(options)
    # FFmpeg's libraries are read from the disk while the networks are made ready.
    threading.Thread(target=_import_clips, daemon=True).start()
    tracks = _chosen_tracks(options)
    analyzer = None if tracks else _build_analyzer(options)
    begun = options.get("begun", ())
    events = build_event_sinks(options, analyzer.checkpoints[analyzer.model].heads) if analyzer else []
    try:
        done, failed = _play_all(options, jobs, tracks or analyzer, events)
    except FacecliError:
        say_written(*sorted(begun))
        raise
    rows = (options[name] for name in _FILES if done or options[name] in begun)
    say_written(*(job.output for job in done), *rows)
    if failed:
        raise SourceError(f"{failed} of {len(jobs)} videos could not be read to their end")


def _play_all(
    options: dict[str, Any], jobs: Sequence[_Job], analyzer: Any, events: list[Any]
) -> tuple[list[_Job], int]:
    """Those that were played, and how many could not be. Raises FacecliError when there is but one.

    `events` are sinks of all videos, not yet entered.
    """
    done: list[_Job] = []
    failed = 0
    with closing_on_sigterm(), contextlib.ExitStack() as stack:
        rows: list[Any] | None = None
        for job in jobs:
            try:
                # Opened before any result is: what cannot be read costs no older file.
                with _open(options, job.spec) as source:
                    if rows is None:
                        sinks = build_row_sinks(options, analyzer) + events
                        rows = [stack.enter_context(sink) for sink in sinks]
                    ended = _play(options, job, source, analyzer, rows)
                    done.append(job)
                    if ended:
                        break
            except (SourceError, InputError) as error:
                if len(jobs) == 1:
                    raise
                failed += 1
                complain(error.with_hint)
    return done, failed


def _import_clips() -> None:
    # Who opens a clip says what is missing.
    with contextlib.suppress(ImportError):
        importlib.import_module("facecli.sources.clip")


def _chosen_tracks(options: dict[str, Any]) -> "SavedTracks | None":
    """What is to be covered by --tracks, or None.

    Raises InputError: it is no such file, or options contradict each other.
    """
    from facecli.live.saved_tracks import load_tracks, parse_tracks

    if options["tracks"] is None:
        if options["only"] or options["but"]:
            raise InputError("--only and --except need --tracks FILE, written by --save-tracks FILE")
        return None
    if options["only"] and options["but"]:
        raise InputError("give only one of --only and --except")
    if not options["anonymize"] or not options["output"]:
        raise InputError("--tracks needs --anonymize METHOD and --output PATH")
    strays = [flag for name, flag in (_FILES | {"notify": "--notify"}).items() if options[name]]
    if strays or not options["no_show"]:
        stray = strays[0] if strays else "a window"
        raise InputError(
            f"--tracks only covers faces, without analysing them: leave out {stray}, and add --no-show"
        )
    known = load_tracks(Path(options["tracks"]))
    return known.chosen(*(parse_tracks(options[name]) if options[name] else () for name in ("only", "but")))


def _play(options: dict[str, Any], job: _Job, source: "OpenSource", analyzer: Any, rows: list[Any]) -> bool:
    """Analyses one video, or covers the faces of saved tracks. Did the user end it?"""
    from facecli.draw.annotate import LabelHabits, annotate
    from facecli.live.analyzer import LiveAnalyzer
    from facecli.live.saved_tracks import SavedTracks, TrackRecorder
    from facecli.pipeline.stream import run_live

    saved = isinstance(analyzer, SavedTracks)
    if saved and analyzer.source and Path(analyzer.source).name != Path(source.given).name:
        warn(
            f"the tracks are of {analyzer.source}, not of {source.given}: check that both show the same video"
        )
    analyze = analyzer.analyze if saved else LiveAnalyzer(analyzer).analyze
    with contextlib.ExitStack() as stack:
        if options["save_tracks"]:
            recorder = TrackRecorder(analyze, Path(options["save_tracks"]), source.given)
            analyze = stack.enter_context(recorder).analyze
        # A kill finds each in the stack, which closes it, or not yet begun.
        with interrupts_held():
            sinks = [stack.enter_context(sink) for sink in build_frame_sinks(options, job, source)]
        view = None if options["no_show"] else stack.enter_context(_build_view(options, source, stack))
        summary = run_live(
            source,
            analyze,
            [*rows, *sinks],
            view,
            draw=_draw_nothing
            if saved
            else functools.partial(annotate, habits=LabelHabits(), label_size=options["label_size"]),
            protect=protection(options),
            show_rejected=options["show_rejected"],
            model=None if saved else analyzer.model,
        )
    say(f"{source.name}: {_counted(summary, source.broken)}")
    return summary.quit


def _draw_nothing(image_rgb: "Array", faces: "Sequence[Face]") -> "Array":
    """What is covered by hand is not labelled."""
    return image_rgb


def _checked(options: dict[str, Any]) -> list[_Job]:
    """Refuses what cannot work, before anything is loaded. Raises InputError."""
    from facecli.sources.video_specs import check_capture_options

    jobs = plan_jobs(options)
    part = (options["start"], options["end"])
    if None not in part and part[1] <= part[0]:
        raise InputError("--end is before --start")
    for job in jobs:
        check_capture_options(job.spec, _capture_options(options), options["reconnect"])
    if not options["no_show"]:
        check_display("the video")
    return jobs


def _open(options: dict[str, Any], spec: str) -> "OpenSource":
    """The source that the options describe. Raises SourceError."""
    from facecli.sources.frames import ClipOptions
    from facecli.sources.video import ReconnectingSource, open_source

    part = ClipOptions(
        options["start"] or 0.0, options["end"], options["every"], options["rate"], options["hwaccel"]
    )
    reopen = functools.partial(open_source, spec, _capture_options(options), part, say)
    return ReconnectingSource(reopen, say) if options["reconnect"] else reopen()


def _capture_options(options: dict[str, Any]) -> "CaptureOptions":
    from facecli.sources.video_specs import CaptureOptions

    return CaptureOptions(options["width"], options["height"], options["fps"])


def _build_analyzer(options: dict[str, Any]) -> "Analyzer | ComparingAnalyzer":
    """The detector and the model; says on what terms they come."""
    analyzer = build_analyzer(options)
    note_terms(options["detector"], (known.config for known in analyzer.checkpoints.values()))
    return analyzer


def _build_view(options: dict[str, Any], source: "OpenSource", files: contextlib.ExitStack) -> "LiveView":
    """The window; a camera's picture is mirrored unless that was declined."""
    from facecli.sources.video_specs import is_camera
    from facecli.window.screen import Controls, Screen
    from facecli.window.view import LiveView

    mirror = is_camera(source.spec) if options["mirror"] is None else options["mirror"]
    return LiveView(
        Screen(f"facecli - {source.name}", closing_all(files)),
        source=source.given,
        fps=source.fps,
        controls=Controls(mirror=mirror, protected=options["anonymize"]),
        label_size=options["label_size"],
    )


def _counted(summary: "StreamSummary", broken: int) -> str:
    from facecli.sinks.base import count

    frames = count(summary.frames, "frame")
    if summary.analyzed != summary.frames:
        frames += f" ({summary.analyzed} analysed)"
    left_out = f", {count(broken, 'broken frame')} left out" if broken else ""
    return f"{frames}, {count(summary.faces, 'face')}{left_out}"

"""`facecli run`: faces in pictures, clips, streams and webcams."""

import os
from pathlib import Path
from typing import Any

import click

from facecli.cli.options import (
    MOMENT,
    check_detector_options,
    check_model_path,
    choose_epoch,
    detector_options,
    epoch_option,
    model_path_option,
    model_type_option,
    renamed_option,
)
from facecli.cli.output import complain
from facecli.cli.run_events import EVENT_DEFAULTS, check_events, event_options
from facecli.cli.run_setup import (
    DETAIL_OPTIONS,
    PICTURE_OPTIONS,
    check_details,
    check_picture_options,
    check_places,
    details_options,
    picture_options,
)
from facecli.core.console import redacted
from facecli.core.errors import Deprecation, FacecliError, InputError


def _finite(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    """Refuses what compares with nothing."""
    if value is not None and value != value:
        raise click.BadParameter("nan is not a number", ctx, param)
    return value


class _FrameStep(click.IntRange):
    """Of one frame in so many."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """A whole number; who writes a time may mean another option."""
        if str(value)[-1:] in ("s", "m", "h") and str(value)[:-1].isdigit():
            self.fail(
                f"{value!r} is a time, but --every N means one frame of N; for events use "
                f"--notify-every {value}",
                param,
                ctx,
            )
        return super().convert(value, param, ctx)


@click.command()
@click.argument("sources", metavar="[SOURCE]...", nargs=-1)
@click.option(
    "--img",
    metavar="SOURCE",
    multiple=True,
    help="A picture, folder, pattern ('a*.jpg'), http(s) address, .zip or .tar file, list of these "
    "(@list.txt), object storage (s3://bucket/folder), manifest, or - for standard input; may "
    "be repeated.",
)
@click.option(
    "--video",
    metavar="[SOURCE]",
    multiple=True,
    is_flag=False,
    flag_value="camera:0",
    help="Camera number or device, clip, folder or pattern of clips, numbered pictures "
    "(frames/%04d.png or their folder), address such as rtsp://..., or - for standard input; "
    "camera 0 without SOURCE; may be repeated.",
)
@click.option("--list-cameras", is_flag=True, help="List the cameras of this machine and exit.")
@click.option("--output", metavar="PATH", help="Write the annotated picture, folder of pictures, or video.")
@click.option(
    "--json",
    "json_target",
    metavar="FILE",
    help="Write JSON lines, one for each picture or frame; - is standard output, without the table.",
)
@click.option(
    "--csv",
    "csv_target",
    metavar="FILE",
    help="Write a CSV table, one row for each face; - is standard output.",
)
@click.option(
    "--summary",
    metavar="FILE",
    help="For videos: write a JSON summary of the people seen; - is standard output.",
)
@click.option(
    "--sink",
    metavar="NAME=TARGET",
    multiple=True,
    help="Write an output format of another package; may be repeated.",
)
@click.option(
    "--overwrite",
    is_flag=True,
    help="Replace existing rows, videos and reports. Annotated pictures are always replaced.",
)
@click.option(
    "--raw-csv",
    is_flag=True,
    help="Write texts to --csv unchanged, even if a spreadsheet would run them as a formula.",
)
@picture_options
@details_options
@click.option(
    "--label-size",
    metavar="SIZE",
    type=click.FloatRange(0.5, 4.0),
    callback=_finite,
    default=1.0,
    show_default=True,
    help="Size of labels on annotated pictures and frames, relative to the automatic size: 2 is "
    "twice as large.",
)
@click.option("--no-show", is_flag=True, help="Open no window: for servers and scripts.")
@click.option(
    "--anonymize",
    type=click.Choice(["blur", "pixelate", "box"]),
    help="Cover the head of every face found, before anything is shown or saved.",
)
@click.option(
    "--mirror/--no-mirror",
    default=None,
    help="Mirror the window.  [default: for cameras]",
    show_default=False,
)
@click.option("--width", type=click.IntRange(1), help="Request this width in pixels from the camera.")
@click.option("--height", type=click.IntRange(1), help="Request this height in pixels from the camera.")
@click.option(
    "--fps",
    type=click.FloatRange(0, 240, min_open=True),
    help="Frame rate to request from the camera, or of numbered pictures.",
)
@click.option(
    "--save-tracks",
    metavar="FILE",
    help="Write who was seen where in a clip as JSON, with a thumbnail for each track; for --tracks.",
)
@click.option(
    "--tracks",
    metavar="FILE",
    help="Cover the tracks in FILE, written by --save-tracks for this clip, perhaps edited; faces "
    "are not searched again.",
)
@click.option("--only", metavar="TRACKS", help="With --tracks: cover only these tracks (1,3-5).")
@click.option("--except", "but", metavar="TRACKS", help="With --tracks: cover all tracks except these.")
@click.option(
    "--start", metavar="TIME", type=MOMENT, help="For clips: start at this time (90, 1:30, 0:01:30.5)."
)
@click.option("--end", metavar="TIME", type=MOMENT, help="For clips: stop at this time.")
@click.option(
    "--every", metavar="N", type=_FrameStep(1), default=1, help="Analyse only one frame of N.  [default: all]"
)
@click.option(
    "--rate",
    metavar="FPS",
    type=click.FloatRange(0, 1000, min_open=True),
    callback=_finite,
    help="Analyse at most this many frames a second.",
)
@click.option(
    "--codec",
    type=click.Choice(["h264", "hevc", "vp9", "av1", "mpeg4", "mjpeg"]),
    help="Codec of the annotated video.  [default: by suffix: .mp4 h264, .webm vp9]",
)
@click.option(
    "--quality",
    type=click.Choice(["small", "medium", "high"]),
    default="medium",
    show_default=True,
    help="Quality of the annotated video; with high, the file may be much larger than the clip.",
)
@click.option(
    "--audio",
    type=click.Choice(["copy", "none"]),
    help="Sound of the annotated video.  [default: copy; none with --anonymize]",
)
@click.option("--no-audio", "audio", flag_value="none", help="The same as --audio none.")
@click.option(
    "--hwaccel",
    metavar="NAME",
    help="Decode clips on an FFmpeg hardware device, such as cuda or videotoolbox.",
)
@event_options
@click.option("--reconnect", is_flag=True, help="Reopen a lost camera or stream, at most five times.")
@model_type_option()
@model_path_option()
@epoch_option()
@detector_options
@click.option(
    "--scale-factor",
    type=click.FloatRange(1.01, 4.0),
    default=1.15,
    show_default=True,
    help="haar: scale step of the search window; smaller values find more and are slower.",
)
@click.option(
    "--min-neighbors",
    type=click.IntRange(0),
    default=5,
    show_default=True,
    help="haar: number of overlapping hits that make a face; larger values give fewer false detections.",
)
@renamed_option(
    "--min-size",
    Deprecation("--min-size", "0.1.0", "write --min-face-size", "2.0.0"),
    "min_size",
    click.IntRange(1),
)
@click.option(
    "--min-face-size",
    "min_size",
    metavar="PIXELS",
    type=click.IntRange(1),
    help="Leave out faces whose longer side is smaller than this.",
)
@click.option(
    "--largest",
    metavar="N",
    type=click.IntRange(1),
    help="Keep only the N largest faces of each picture or frame.",
)
@click.option(
    "--margin",
    type=click.FloatRange(-0.4, 4.0),
    help="Margin of the crop around the box, as a fraction of its side.  [default: the model's]",
)
@click.option(
    "--uncertain-below",
    metavar="P",
    type=click.FloatRange(0, 1),
    help="Show labels with a probability below P (0 to 1) as 'uncertain' in pictures and the table, "
    "and list them as uncertain in JSON.  [default: a measured threshold for each label of the "
    "model]",
)
@click.option(
    "--min-quality",
    metavar="Q",
    type=click.FloatRange(0, 1),
    default=0.0,
    help="Leave out faces with a quality below Q (0 to 1): small, blurred, covered and turned faces "
    "have a lower quality.",
)
@click.option(
    "--show-rejected",
    is_flag=True,
    help="Also show boxes that the model rejects as showing no face, marked as rejected.",
)
@click.option(
    "--threads",
    type=click.IntRange(1),
    help="Number of threads of the detector and network.  [default: cores, at most 4]",
)
def run(**options: Any) -> None:
    """Find every face and predict its age, gender, race and, if the model supports it, emotion.

    SOURCE is anything that --img or --video accepts; facecli detects what it is.

    \b
    Examples:
      facecli run photo.jpg
      facecli run photos/ --json out.jsonl --output drawn/
      facecli run *.jpg holiday.mp4 --json out.jsonl --no-show
      facecli run --img @list.txt --csv out.csv --resume
      facecli run --img https://example.org/a.jpg --img b.zip
      facecli run s3://bucket/photos --parts s3://bucket/rows --shard 3/16 --resume
      facecli run --video                  (webcam 0; q or Esc quits, h shows the keys)
      facecli run --video clip.mp4 --no-show --output drawn.mp4 --json faces.jsonl
      facecli run --video clips/ --no-show --start 0:30 --every 5 --csv faces.csv
      facecli run --video --notify mqtt://localhost/door --after-people 20
    """
    if options["list_cameras"]:
        from facecli.cli.run_video import show_cameras

        show_cameras()
        return
    _sort_sources(options)
    if options["img"] is None and options["video"] is None:
        raise click.UsageError(
            "name a picture, a folder, a clip or an address, or give --video for the webcam"
        )
    _name_files(options)
    _check_paths(options)
    check_picture_options(options)
    check_details(options)
    check_events(options)
    check_places(options)
    if options["video"] is None:
        from facecli.cli.run_pictures import run_pictures

        run_pictures(options)
    elif options["img"] is None:
        from facecli.cli.run_video import run_video

        run_video(options)
    else:
        _run_both(options)


_TARGETS = ("output", "json_target", "csv_target", "parquet", "parts", "crops", "report")
"""Options that may have a path as an address, "file:///..."."""


def _name_files(options: dict[str, Any]) -> None:
    """Targets at addresses of the kind "file:///..." become paths."""
    # For the help alone nobody waits for it.
    from facecli.core.paths import file_path

    for name in _TARGETS:
        options[name] = options[name] and file_path(options[name])


def _sort_sources(options: dict[str, Any]) -> None:
    """Puts what was named without an option to the pictures or the videos."""
    pictures, videos = options["img"], options["video"]
    if pictures and videos:
        raise click.UsageError("give one of --img PATH and --video [SOURCE], or both kinds without an option")
    if sources := options.pop("sources"):
        from facecli.sources.video_specs import sort_sources

        found = sort_sources(sources)
        # What is nothing else counts as a picture.
        if len(sources) == 1 and not (pictures or videos or found.videos) and _is_missing(sources[0]):
            raise InputError(f"no such picture, clip or folder: {redacted(sources[0])}; check the path")
        pictures, videos = (*pictures, *found.pictures), (*videos, *found.videos)
    options["img"], options["video"] = pictures or None, videos or None


def _run_both(options: dict[str, Any]) -> None:
    """Pictures first, then videos, whose rows go on in the files that those of pictures have begun."""
    from facecli.cli.run_pictures import plan_pictures, run_pictures
    from facecli.cli.run_video import check_videos, run_video

    _check_both(options)
    folder = options["output"] and os.path.join(options["output"], "")
    none = dict.fromkeys((*PICTURE_OPTIONS, *DETAIL_OPTIONS))
    videos = {**options, **none, "img": None, "output": folder}
    check_videos(videos)
    begun: set[str] = set()
    pictures = {**options, **_OF_VIDEO, "video": None, "output": folder, "begun": begun}
    # Pictures are no place for results of videos either, and standard output with a summary none for a table.
    pictures |= {name: options[name] for name in ("summary", "save_tracks")}
    plan = plan_pictures(pictures)
    failure = None
    try:
        run_pictures({**pictures, "save_tracks": None}, plan)
    except FacecliError as error:
        failure = error
    try:
        run_video({**videos, "begun": begun})
    except FacecliError:
        if failure is not None:
            complain(failure.with_hint)
        raise
    if failure is not None:
        raise failure


def _check_both(options: dict[str, Any]) -> None:
    """Raises InputError when results cannot be of pictures and videos alike."""
    output = options["output"]
    if output and Path(output).suffix and not (output.endswith((os.sep, "/")) or Path(output).is_dir()):
        raise InputError(f"{output} is one file for pictures and videos; name a folder")
    wider = [name for name in ("compare", "age_groups", "allow_truncated") if options[name]]
    alone = wider if options["csv_target"] else []
    alone += [
        name for name in ("resume", "parquet", "parts", "shard", "report", "crops", "sink") if options[name]
    ]
    if alone:
        flag = alone[0].replace("_", "-")
        raise InputError(
            f"--{flag} works only for pictures, but there are videos too; run pictures and videos separately"
        )
    streams = [
        flag for flag, name in (("--json", "json_target"), ("--csv", "csv_target")) if options[name] == "-"
    ]
    if len(streams) > 1:
        raise InputError("--json and --csv cannot both be standard output")


_OF_VIDEO = dict.fromkeys(
    ("summary", "width", "height", "fps", "mirror", "start", "end", "rate", "codec", "audio", "hwaccel")
    + ("save_tracks", "tracks", "only", "but")
) | {"reconnect": False, "every": 1, "quality": "medium", **EVENT_DEFAULTS}
"""Options that need --video, and what they are when they are not given."""


def _check_paths(options: dict[str, Any]) -> None:
    """What can be refused before anything heavy is imported. Raises InputError."""
    image = options["img"]
    if image is not None and len(image) == 1 and _is_missing(image[0]):
        raise InputError(f"no such picture or folder: {redacted(image[0])}; check the path")
    check_model_path(options)
    if options["epoch"] is not None and options["compare"] is not None:
        raise InputError("--compare cannot be combined with --epoch")
    choose_epoch(options)
    strays = [name for name, default in _OF_VIDEO.items() if options[name] != default]
    if options["video"] is None and strays:
        stray = {"but": "except"}.get(strays[0], strays[0].replace("_", "-"))
        raise InputError(f"--{stray} works only for videos, but only pictures were given")
    check_detector_options(options)
    chosen = ("largest", "min_size", "min_quality")
    if options["anonymize"] and any(options[name] for name in chosen):
        raise InputError(
            "--anonymize covers every face; it cannot be combined with --largest, --min-face-size "
            "or --min-quality"
        )
    if "" in (options["video"] or ()):
        raise InputError("--video '' names no clip; leave SOURCE out for camera 0")


def _is_missing(given: str) -> bool:
    """Is it a path and nothing else, and nothing there?"""
    if given == "-" or given.startswith("@") or "://" in given or set(given) & set("*?["):
        return False
    try:
        return not Path(given).exists()
    except (OSError, ValueError):
        return True

"""`facecli run`: faces in pictures, clips, streams and webcams."""

from pathlib import Path

import click

from facecli.cli.options import (
    check_detector_options,
    check_model_path,
    detector_options,
    model_path_option,
    model_type_option,
)
from facecli.cli.run_setup import check_details, check_picture_options, details_options, picture_options
from facecli.core.errors import InputError
from facecli.core.redaction import redacted


@click.command()
@click.option(
    "--img",
    metavar="SOURCE",
    multiple=True,
    help="A picture, folder, pattern ('a*.jpg'), http(s) address, .zip or .tar file, list of these "
    "(@list.txt), or - for standard input; may be given many times.",
)
@click.option(
    "--video",
    metavar="[SOURCE]",
    is_flag=False,
    flag_value="0",
    help="Camera number or device, clip, numbered pictures (frames/%04d.png or their folder), or address "
    "such as rtsp://...; camera 0 when left out.",
)
@click.option("--list-cameras", is_flag=True, help="Say which cameras are here, and stop.")
@click.option("--output", metavar="PATH", help="Annotated picture, folder of them, or video.")
@click.option(
    "--json", "json_target", metavar="FILE", help="JSON lines; - is standard output, then without table."
)
@click.option(
    "--csv", "csv_target", metavar="FILE", help="A row for each face of a frame; - is standard output."
)
@click.option(
    "--summary", metavar="FILE", help="JSON at the end: people seen, their ages, shares; - as above."
)
@picture_options
@details_options
@click.option("--no-show", is_flag=True, help="No window: for servers and scripts.")
@click.option(
    "--anonymize",
    type=click.Choice(["blur", "pixelate", "box"]),
    help="Cover every head found, before anything is drawn, shown or saved.",
)
@click.option(
    "--mirror/--no-mirror",
    default=None,
    help="Window as a mirror.  [default: of cameras]",
    show_default=False,
)
@click.option("--width", type=click.IntRange(1), help="Ask the camera for that width in pixels.")
@click.option("--height", type=click.IntRange(1), help="Ask the camera for that height in pixels.")
@click.option(
    "--fps",
    type=click.FloatRange(0, 240, min_open=True),
    help="Ask the camera for it; rate of numbered pictures.",
)
@click.option("--reconnect", is_flag=True, help="Open a lost camera or stream again, five times at most.")
@model_type_option()
@model_path_option()
@detector_options
@click.option(
    "--scale-factor",
    type=click.FloatRange(1.01, 4.0),
    default=1.15,
    show_default=True,
    help="haar: step between two sizes of the search window; smaller is slower and finds more.",
)
@click.option(
    "--min-neighbors",
    type=click.IntRange(0),
    default=5,
    show_default=True,
    help="haar: overlapping hits that make a face; more gives fewer false faces.",
)
@click.option(
    "--min-face-size",
    "--min-size",
    "min_size",
    metavar="PIXELS",
    type=click.IntRange(1),
    help="Leave out faces whose box has a shorter longer side.",
)
@click.option(
    "--largest",
    metavar="N",
    type=click.IntRange(1),
    help="Of each picture or frame only the N largest faces.",
)
@click.option(
    "--margin",
    type=click.FloatRange(-0.4, 4.0),
    help="Crop beyond the box, a fraction of its side; by default what fits the model.",
)
@click.option(
    "--uncertain-below",
    metavar="P",
    type=click.FloatRange(0, 1),
    default=0.0,
    help="Labels less probable than P (0 to 1) read 'uncertain' in pictures and table; JSON stays.",
)
@click.option(
    "--show-rejected", is_flag=True, help="Show what was found and taken for no face, too, marked so."
)
@click.option(
    "--threads", type=click.IntRange(1), help="Threads of detector and network.  [default: cores, at most 4]"
)
def run(**options) -> None:
    """Find every face and read its age, gender, race and, when the model has learnt it, emotion.

    \b
    Examples:
      facecli run --img photo.jpg
      facecli run --img photos/ --json out.jsonl --output drawn/
      facecli run --img @list.txt --csv out.csv --resume
      facecli run --img https://example.org/a.jpg --img b.zip
      facecli run --video                  (webcam 0; q or Esc quits, h shows the keys)
      facecli run --video clip.mp4 --no-show --output drawn.mp4 --json faces.jsonl
    """
    if options["list_cameras"]:
        from facecli.cli.run_video import show_cameras

        show_cameras()
        return
    options["img"] = options["img"] or None
    if (options["img"] is None) == (options["video"] is None):
        raise click.UsageError("give one of --img PATH and --video [SOURCE]")
    _check_paths(options)
    check_picture_options(options)
    check_details(options)
    if options["img"] is not None:
        from facecli.cli.run_pictures import run_pictures

        run_pictures(options)
    else:
        from facecli.cli.run_video import run_video

        run_video(options)


_OF_VIDEO = dict.fromkeys(("summary", "width", "height", "fps", "mirror")) | {"reconnect": False}
"""Options that need --video, and what they are when they are not given."""


def _check_paths(options: dict) -> None:
    """What can be refused before anything heavy is imported. Raises InputError."""
    image = options["img"]
    if image is not None and len(image) == 1 and _is_missing(image[0]):
        raise InputError(f"no such picture or folder: {redacted(image[0])}; check the path")
    check_model_path(options)
    strays = [name for name, default in _OF_VIDEO.items() if options[name] != default]
    if image is not None and strays:
        raise InputError(f"--{strays[0]} needs --video")
    check_detector_options(options)
    if options["anonymize"] and (options["largest"] or options["min_size"]):
        raise InputError("--anonymize covers every face: leave --largest and --min-face-size out")
    if options["video"] is not None and options["video"] == "":
        raise InputError("--video '' names no clip; leave SOURCE out for camera 0")


def _is_missing(given: str) -> bool:
    """Is it a path and nothing else, and nothing there?"""
    if given == "-" or given.startswith("@") or "://" in given or set(given) & set("*?["):
        return False
    try:
        return not Path(given).exists()
    except (OSError, ValueError):
        return True

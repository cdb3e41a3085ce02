"""`facecli run`: faces in pictures, clips, streams and webcams."""

from pathlib import Path

import click

from facecli.errors import InputError


@click.command()
@click.option("--img", metavar="PATH", help="A picture, or a folder that is searched for pictures.")
@click.option(
    "--video",
    metavar="[SOURCE]",
    is_flag=False,
    flag_value="0",
    help="Camera number, clip, or address such as rtsp://...; camera 0 when left out.",
)
@click.option("--output", metavar="PATH", help="Annotated picture, folder of them, or video.")
@click.option(
    "--json", "json_target", metavar="FILE", help="JSON lines; - is standard output, then without table."
)
@click.option("--no-show", is_flag=True, help="No window: for servers and scripts.")
@click.option("--model-type", type=click.Choice(["facenet", "normal"]), default="facenet", show_default=True)
@click.option("--model-path", metavar="FOLDER", help="Another model folder (as 'facecli train' writes it).")
@click.option(
    "--detector",
    type=click.Choice(["haar", "yunet", "none"]),
    default="haar",
    show_default=True,
    help="How faces are found; none: the whole picture is one face.",
)
@click.option("--detector-weights", metavar="FILE", help="ONNX file for --detector yunet.")
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
@click.option("--min-size", type=click.IntRange(1), help="haar: smallest side of a face in pixels.")
@click.option(
    "--margin",
    type=click.FloatRange(-0.4, 4.0),
    help="Crop beyond the box, a fraction of its side; by default what fits the model.",
)
@click.option(
    "--threads", type=click.IntRange(1), help="Threads of detector and network.  [default: cores, at most 4]"
)
def run(**options) -> None:
    """Find every face and read its age, gender and race.

    \b
    facecli run --img photo.jpg
    facecli run --img photos/ --json out.jsonl
    facecli run --video                  (webcam 0; q or Esc quits)
    facecli run --video clip.mp4 --no-show --output drawn.mp4 --json faces.jsonl
    """
    if (options["img"] is None) == (options["video"] is None):
        raise click.UsageError("give one of --img PATH and --video [SOURCE]")
    _check_paths(options)
    if options["img"] is not None:
        from facecli.commands.run_pictures import run_pictures

        run_pictures(options)
    else:
        from facecli.commands.run_video import run_video

        run_video(options)


def _check_paths(options: dict) -> None:
    """What can be refused before anything heavy is imported. Raises InputError."""
    image, weights, model = options["img"], options["detector_weights"], options["model_path"]
    if image is not None and not Path(image).exists():
        raise InputError(f"no such picture or folder: {image}; check the path")
    if model is not None and not Path(model).is_dir():
        raise InputError(f"no model folder {model}; check --model-path")
    if weights is not None and not Path(weights).is_file():
        raise InputError(f"no detector weights at {weights}; check --detector-weights")
    if weights is not None and options["detector"] != "yunet":
        raise InputError("--detector-weights needs --detector yunet")
    if options["video"] is not None and options["video"] == "":
        raise InputError("--video '' names no clip; leave SOURCE out for camera 0")

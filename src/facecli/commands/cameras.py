"""`facecli run --list-cameras`."""

import click


def show_cameras() -> None:
    """Prints a table of the cameras that give a picture; none is a result, too."""
    from facecli.stream.cameras import camera_table, list_cameras
    from facecli.stream.table import plain_table
    from facecli.vision.quiet import quiet_stderr

    with quiet_stderr():
        cameras = list_cameras()
    if not cameras:
        click.echo("no camera found")
        return
    for line in plain_table(camera_table(cameras)):
        click.echo(line)

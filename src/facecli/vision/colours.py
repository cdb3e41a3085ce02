"""Colours of boxes, RGB: one for each person of a stream, told apart and readable on light and dark."""

from facecli.faces import Face

Colour = tuple[int, int, int]

LIGHT: Colour = (255, 255, 255)
DARK: Colour = (20, 20, 20)
PLAIN: Colour = (80, 230, 120)
"""A face outside of a stream."""
REJECTED: Colour = (150, 150, 150)
PALETTE: tuple[Colour, ...] = (
    (86, 180, 255),  # sky
    (255, 150, 40),  # orange
    (255, 120, 190),  # pink
    (245, 225, 65),  # yellow
    (40, 205, 185),  # teal
    (250, 90, 80),  # red
    (180, 140, 255),  # violet
    (165, 220, 60),  # lime
    (90, 125, 255),  # blue
    (225, 190, 155),  # sand
)
"""Bright, for the dark line around each box and the dark ground of labels; neighbours far apart."""


def face_colour(face: Face) -> Colour:
    """Grey for what was refused, else the colour of the track, always the same for its number.

    With more people than colours, some that came long after each other share one.
    """
    if face.rejected:
        return REJECTED
    return PLAIN if face.track is None else PALETTE[(face.track - 1) % len(PALETTE)]

"""Picture files made by the tests, and decoders that misbehave."""

import io

from PIL import Image


def encoded(image_rgb, file_format="JPEG", **options):
    """A picture file's content."""
    buffer = io.BytesIO()
    Image.fromarray(image_rgb).save(buffer, file_format, **options)
    return buffer.getvalue()


FAULTS = """
import os, signal, sys, time
import numpy as np
import facecli.web.decoder as d
from facecli.core.errors import ImageError
whole, reduced = d.decode_image, d.decode_reduced
def misbehave(data, name, *how):
    word = name.partition(".")[0]
    if word == "hang":
        time.sleep(600)
    if word == "crash":
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGSEGV)
    if word == "leave":
        os._exit(0)
    if word == "swell":
        held = [np.empty(50_000_000, np.uint8) for _ in range(60)]
    if word == "print":
        os.write(1, b"corrupt data")
    if word == "fail":
        raise RuntimeError("a fault")
    if word == "large":
        return np.zeros((4000, 4000, 3), np.uint8)
    if word == "secret":
        raise ImageError(str(sorted(os.environ)))
    return whole(data, name, *how) if len(how) == 1 else reduced(data, name, *how)
d.decode_image = d.decode_reduced = misbehave
"""


def with_faults(start):
    """The code that starts a decoder, so that it does what the picture is called."""
    begin, end = start.rsplit(";", 1)
    return f"{begin}\n{FAULTS}\n{end.strip()}"

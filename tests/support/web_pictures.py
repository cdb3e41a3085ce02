"""Picture files made by the tests."""

import io

from PIL import Image


def encoded(image_rgb, file_format="JPEG", **options):
    """A picture file's content."""
    buffer = io.BytesIO()
    Image.fromarray(image_rgb).save(buffer, file_format, **options)
    return buffer.getvalue()

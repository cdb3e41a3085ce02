"""What is said over the WebSocket of live mode: messages read strictly, answers written.

From the client, binary: 4 bytes frame number, 4 bytes its own milliseconds (both big-endian), then
a JPEG, PNG or WebP. From the client, text: `{"type": "reset"}` or `{"type": "settings", ...}`.
From the server, text: `hello`, `faces` and, before it closes, `problem`.
"""

import json
import struct
from dataclasses import dataclass
from typing import Any

from facecli.core.arrays import Array
from facecli.core.errors import ImageError, ImageTooLargeError
from facecli.core.faces import Face
from facecli.draw.anonymize import head_box
from facecli.pipeline.batch import Decoder

UNSUPPORTED, POLICY, TOO_BIG, BROKEN, LATER = 1003, 1008, 1009, 1011, 1013
"""Codes with which a WebSocket is closed (RFC 6455, section 7.4.1, and the registry that it founds)."""
_STAMP = struct.Struct(">II")
_MOST_TEXT = 1000
_KNOWN_KEYS = {"reset": {"type"}, "settings": {"type", "model", "detector"}}
_NAME = "the frame"


class LiveProblem(Exception):
    """Ends a session: an HTTP status with its words (RFC 9457), and the code of the closing."""

    status: int
    title: str
    detail: str
    code: int

    def __init__(self, status: int, title: str, detail: str, code: int = POLICY) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail, self.code = status, title, detail, code

    def message(self) -> dict[str, Any]:
        """What the client is told before the socket closes."""
        return {"type": "problem", "status": self.status, "title": self.title, "detail": self.detail}


@dataclass(frozen=True)
class LiveLimits:
    """What one viewer may do.

    Attributes:
        frame_bytes: most bytes of an encoded frame.
        longer_side, shorter_side: most pixels of a frame's sides, whichever way it is held.
        frames_per_s: messages a second in the long run; `burst` of them may come at once.
        idle_s: seconds without a message after which a session ends.
        send_s: seconds that a client may take to read an answer.
        sessions: viewers at once in one process.
    """

    frame_bytes: int = 1 << 20
    longer_side: int = 1920
    shorter_side: int = 1080
    frames_per_s: float = 40.0
    burst: int = 80
    idle_s: float = 60.0
    send_s: float = 10.0
    sessions: int = 8


@dataclass(frozen=True)
class LiveFrame:
    """One frame as it came; `sent_ms` is the client's own clock, which is only given back."""

    number: int
    sent_ms: int
    data: bytes


@dataclass(frozen=True)
class Command:
    """What a text message asks: forget everybody, or take another model or detector (None: as before)."""

    kind: str
    model: str | None = None
    detector: str | None = None


def parse_frame(message: bytes, limits: LiveLimits) -> LiveFrame:
    """Takes a binary message apart; nothing is decoded. Raises LiveProblem."""
    if len(message) > limits.frame_bytes + _STAMP.size:
        raise LiveProblem(
            413, "Frame too large", f"A frame has at most {limits.frame_bytes:,} bytes.", TOO_BIG
        )
    if len(message) <= _STAMP.size:
        detail = "A frame is 4 bytes number, 4 bytes milliseconds, then a JPEG, PNG or WebP."
        raise LiveProblem(400, "Message cut short", detail, UNSUPPORTED)
    number, sent_ms = _STAMP.unpack_from(message)
    return LiveFrame(number, sent_ms, message[_STAMP.size :])


def parse_command(text: str) -> Command:
    """Reads a text message. Raises LiveProblem when it is none of the two that exist."""
    try:
        parsed = json.loads(text) if len(text) <= _MOST_TEXT else None
    except (ValueError, RecursionError):
        parsed = None
    value: dict[str, Any] = parsed if isinstance(parsed, dict) else {}
    kind = value.get("type")
    if not isinstance(kind, str) or kind not in _KNOWN_KEYS or not value.keys() <= _KNOWN_KEYS[kind]:
        detail = 'Text messages are {"type": "reset"} and {"type": "settings", "model": …, "detector": …}.'
        raise LiveProblem(400, "Unknown message", detail)
    names = {key: value[key] for key in value if key != "type"}
    if not all(isinstance(name, str) for name in names.values()):
        raise LiveProblem(400, "Unknown message", "The model and the detector are names.")
    return Command(kind, **names)


def decode_frame(data: bytes, limits: LiveLimits, decoder: Decoder) -> Array:
    """(H, W, 3) uint8 RGB of an encoded frame; a large one is refused by its header. Raises LiveProblem."""
    if not _is_web_picture(data):
        raise LiveProblem(415, "Not a picture", "A frame is a JPEG, PNG or WebP.", UNSUPPORTED)
    try:
        image_rgb = decoder.decode_image(data, _NAME, limits.longer_side * limits.shorter_side)
        size = image_rgb.shape[:2]
        if max(size) <= limits.longer_side and min(size) <= limits.shorter_side:
            return image_rgb
    except ImageTooLargeError:
        pass
    except ImageError as error:
        raise LiveProblem(422, "Damaged picture", f"{error}.", UNSUPPORTED) from error
    detail = f"A frame has at most {limits.longer_side} x {limits.shorter_side} pixels."
    raise LiveProblem(413, "Frame too large", detail, TOO_BIG)


def _is_web_picture(data: bytes) -> bool:
    return data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")) or (
        data.startswith(b"RIFF") and data[8:12] == b"WEBP"
    )


def face_rows(faces: list[Face], resolution_wh: tuple[int, int], with_heads: bool) -> list[dict[str, Any]]:
    """Faces as of `--json`, with `head_xyxy` where the whole heads are to be covered."""
    rows = [face.to_json() for face in faces]
    if with_heads:
        for row in rows:
            row["head_xyxy"] = list(head_box(row["box_xyxy"], resolution_wh))
    return rows

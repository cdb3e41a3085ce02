"""Small clips of many kinds, and what a right reader must give for each.

Every picture is a grey one: its middle tells its number by its brightness (`number_in`), its top left
corner is white, and a bright square walks along its bottom over a texture that moves too. So frames that
are lost, doubled, out of order or turned wrongly can all be told apart.

    for kind in KINDS:
        truth = kind.make(folder / f"clip{kind.suffix}")

The clips are written with PyAV, or with Pillow, and some are changed afterwards byte by byte. Kinds whose
encoder is not in the installed PyAV are left out of `KINDS`.
"""

import io
import os
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.stream import Disposition
from av.video.stream import VideoStream
from PIL import Image

from facecli.core.process import ordinary_scheduling

FRAMES = 20  # of a usual clip
SIZE = (96, 64)
FRAME_TIME = Fraction(1, 25)  # of a usual clip
CUT_AT = 12  # the frame in whose middle a truncated clip ends
DAMAGED = 9  # the frame of a damaged clip that is overwritten
HOUR = 3600


@dataclass(frozen=True)
class ClipTruth:
    """What a right reader gives for a clip."""

    frames: int
    """Frames that a player shows."""
    times_s: tuple[float, ...]
    """Seconds of each shown frame from the first shown one; they never fall."""
    size_wh: tuple[int, int]
    """As displayed: turned, and with square pixels (the width is stretched), before any rounding."""
    whole: bool = True
    """False where the container itself says that packets are missing."""
    sound: bool = False
    """There is an audio track."""
    at_least: int | None = None
    """For clips with a damaged part: so few frames are right too."""
    numbers: tuple[int, ...] = ()
    """The numbers that `number_in` finds in the shown frames."""
    turn: int = 0
    """Degrees clockwise by which the stored pictures are turned for display."""


@dataclass(frozen=True)
class ClipKind:
    """One kind of clip; `make` writes it and tells the truth about it."""

    name: str
    suffix: str
    make: Callable[[Path], ClipTruth]


@dataclass(frozen=True)
class BadKind:
    """A file that is no clip; `make` writes it, and what it names beside it."""

    name: str
    suffix: str
    make: Callable[[Path], None]


# ---------------------------------------------------------------- pictures


def picture(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Frame `number` as (height, width) grey levels."""
    width, height = size
    coarse = np.random.default_rng(0).integers(60, 110, (height // 4 + 1, width // 4 + 1), np.uint8)
    grey = np.roll(coarse.repeat(4, 0).repeat(4, 1)[:height, :width], number, axis=1)
    side = height // 4
    left = number * 3 % (width - side)
    grey[-side:, left : left + side] = 200
    grey[:side, :side] = 255
    grey[height // 3 : height - height // 3, width // 3 : width - width // 3] = _level(number)
    return grey


def number_in(grey: np.ndarray) -> int:
    """The number of the frame whose (height, width) grey levels these are; turned and scaled is fine."""
    height, width = grey.shape
    rows, columns = slice(height * 2 // 5, height * 3 // 5), slice(width * 2 // 5, width * 3 // 5)
    return round((float(np.mean(grey[rows, columns])) - _level(0)) / (_level(1) - _level(0)))


def _level(number: int) -> int:
    return 30 + 9 * number


# ---------------------------------------------------------------- writing


@dataclass(frozen=True)
class _Sound:
    codec: str = "aac"
    rate: int = 48000
    start_s: float = 0.0
    seconds: float = 0.8


@dataclass(frozen=True)
class _Recipe:
    """How a clip with one picture track is written."""

    codec: str = "libx264"
    ticks: tuple[int, ...] = tuple(range(FRAMES))
    tick: Fraction = FRAME_TIME
    first_number: int = 0
    size: tuple[int, int] = SIZE
    pix_fmt: str = "yuv420p"
    options: Mapping[str, str] = field(default_factory=dict)
    container_options: Mapping[str, str] = field(default_factory=dict)
    format: str | None = None
    sar: Fraction | None = None
    sound: _Sound | None = None
    top_field_first: bool = False

    def truth(self) -> ClipTruth:
        """The truth about the clip where nothing is changed afterwards."""
        sar = self.sar or 1
        numbers = range(self.first_number, self.first_number + len(self.ticks))
        return ClipTruth(
            frames=len(self.ticks),
            times_s=tuple(float((tick - self.ticks[0]) * self.tick) for tick in self.ticks),
            size_wh=(round(self.size[0] * sar), self.size[1]),
            sound=self.sound is not None,
            numbers=tuple(numbers),
        )


_KEY_5 = {"bf": "0", "g": "5", "crf": "8"}  # H.264 whose packets are in the order of the frames

_OPTIONS: dict[str, dict[str, str]] = {
    "libx264": {"preset": "veryfast", "bf": "2", "threads": "1", "crf": "20"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none:pools=1:frame-threads=1"},
    "libsvtav1": {"preset": "12", "crf": "12", "svtav1-params": "lp=1"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "crf": "30", "b": "0"},
    "mpeg2video": {"b": "600000", "bf": "2", "g": "12"},
    "mpeg4": {"b": "600000", "g": "12"},
}


def _write(recipe: _Recipe, path: Path) -> ClipTruth:
    """Write the clip of a recipe."""
    with _create(path, recipe) as container:
        video = _add_video(container, recipe)
        sound = _add_sound(container, recipe.sound)
        _encode_pictures(container, video, recipe)
        _encode_sound(container, sound, recipe.sound)
    return recipe.truth()


def _create(path: Path, recipe: _Recipe):
    os.environ.setdefault("SVT_LOG", "1")  # or the encoder of AV1 talks on stderr
    return av.open(str(path), "w", format=recipe.format, container_options=dict(recipe.container_options))


def _add_video(container, recipe: _Recipe):
    options = {**_OPTIONS.get(recipe.codec, {}), **recipe.options}
    stream = container.add_stream(recipe.codec, rate=round(1 / FRAME_TIME), options=options)
    stream.width, stream.height = recipe.size
    stream.pix_fmt = recipe.pix_fmt
    stream.codec_context.time_base = recipe.tick
    if recipe.sar:
        stream.codec_context.sample_aspect_ratio = recipe.sar
    return stream


@ordinary_scheduling()
def _encode_pictures(container, stream, recipe: _Recipe) -> None:
    for number, tick in enumerate(recipe.ticks, recipe.first_number):
        rgb = np.repeat(picture(number, recipe.size)[..., None], 3, axis=2)
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=recipe.pix_fmt)
        frame.pts, frame.time_base = tick, recipe.tick
        container.mux(stream.encode(_in_fields(frame) if recipe.top_field_first else frame))
    container.mux(stream.encode(None))


def _in_fields(frame: av.VideoFrame) -> av.VideoFrame:
    """The frame marked as interlaced with its top field first, which PyAV cannot do itself."""
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
    )
    mark, sink = graph.add("setfield", "tff"), graph.add("buffersink")
    graph.link_nodes(source, mark, sink).configure()
    graph.push(frame)
    return cast(av.VideoFrame, graph.pull())


def _add_sound(container, sound: _Sound | None):
    return container.add_stream(sound.codec, rate=sound.rate) if sound else None


def _encode_sound(container, stream, sound: _Sound | None) -> None:
    if sound is None:
        return
    samples = sound.rate // 50
    for start in range(0, round(sound.seconds * sound.rate), samples):
        wave = 3000 * np.sin(np.arange(start, start + samples) * 2 * np.pi * 440 / sound.rate)
        both = np.repeat(wave.astype(np.int16), 2)[None]
        frame = av.AudioFrame.from_ndarray(both, format="s16", layout="stereo")
        frame.sample_rate = sound.rate
        frame.pts, frame.time_base = start + round(sound.start_s * sound.rate), Fraction(1, sound.rate)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


# ---------------------------------------------------------------- tracks


def _two_tracks(path: Path) -> ClipTruth:
    """The second of two picture tracks is the default one; it is smaller and shorter."""
    first, second = _Recipe(), _Recipe(size=(64, 48), ticks=tuple(range(12)))
    with _create(path, second) as container:
        streams = [_add_video(container, recipe) for recipe in (first, second)]
        streams[0].disposition = 0
        streams[1].disposition = Disposition.default.value  # a number: PyAV 17 takes no flag
        for stream, recipe in zip(streams, (first, second), strict=True):
            _encode_pictures(container, stream, recipe)
    return second.truth()


def _cover_in_mkv(path: Path) -> ClipTruth:
    """A cover picture, as an attachment, beside a real video."""
    recipe = _Recipe()
    with _create(path, recipe) as container:
        container.add_attachment("cover.jpg", "image/jpeg", _still("JPEG"))
        _encode_pictures(container, _add_video(container, recipe), recipe)
    return recipe.truth()


def _cover_in_mp4(path: Path) -> ClipTruth:
    """A cover picture as its own stream, beside a real video with sound."""
    recipe = _Recipe(sound=_Sound())
    with _create(path, recipe) as container:
        video, sound = _add_video(container, recipe), _add_sound(container, recipe.sound)
        cover = _add_cover(container)
        _encode_pictures(container, video, recipe)
        _encode_sound(container, sound, recipe.sound)
        _encode_cover(container, cover)
    return recipe.truth()


def _add_cover(container):
    stream = container.add_stream("mjpeg", rate=1)
    stream.width, stream.height, stream.pix_fmt = 48, 48, "yuvj420p"
    stream.disposition = Disposition.attached_pic.value
    return stream


def _encode_cover(container, stream) -> None:
    rgb = np.full((48, 48, 3), 128, np.uint8)
    frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuvj420p")
    frame.pts, frame.time_base = 0, Fraction(1)
    container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _still(kind: str) -> bytes:
    """A picture file."""
    data = io.BytesIO()
    Image.fromarray(picture(0, (48, 48))).save(data, kind)
    return data.getvalue()


# ---------------------------------------------------------------- animated pictures


def _gif(path: Path) -> ClipTruth:
    """Written by Pillow; the right third is transparent."""
    frames = []
    for number in range(12):
        indices = np.minimum(picture(number), 254)
        indices[:, -SIZE[0] // 3 :] = 255
        frames.append(Image.fromarray(indices).convert("P"))
    return _animate(frames, path, "GIF", transparency=255, disposal=2)


def _see_through(kind: str, path: Path) -> ClipTruth:
    """Written by Pillow as RGBA; the right third is transparent."""
    frames = []
    for number in range(12):
        grey = picture(number)
        alpha = np.full_like(grey, 255)
        alpha[:, -SIZE[0] // 3 :] = 0
        frames.append(Image.fromarray(np.dstack([grey, grey, grey, alpha])))
    return _animate(frames, path, kind)


def _animate(frames: list[Image.Image], path: Path, kind: str, **options) -> ClipTruth:
    frames[0].save(path, kind, save_all=True, append_images=frames[1:], duration=40, loop=0, **options)
    return _Recipe(ticks=tuple(range(len(frames)))).truth()


# ---------------------------------------------------------------- bytes changed afterwards


def _turned(degrees: int, recipe: _Recipe, path: Path) -> ClipTruth:
    """An MP4 whose track header says that the picture is turned clockwise."""
    truth = _write(recipe, path)
    data = bytearray(path.read_bytes())
    turn = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}[degrees]
    a, b, c, d = (value << 16 for value in turn)
    struct.pack_into(">9i", data, data.index(b"tkhd") + 44, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    size = truth.size_wh if degrees == 180 else truth.size_wh[::-1]
    return replace(truth, size_wh=size, turn=degrees)


def _turned_mkv(path: Path) -> ClipTruth:
    """Turned clockwise by 90 degrees in a Matroska header."""
    recipe = _Recipe()
    with _create(path, recipe) as container:
        video = _add_video(container, recipe)
        video.set_display_rotation(-90)
        _encode_pictures(container, video, recipe)
    return replace(recipe.truth(), size_wh=SIZE[::-1], turn=90)


def _trimmed(path: Path) -> ClipTruth:
    """An MP4 whose edit list shows frames 5 to 14 only; the decoder needs the frames before too."""
    recipe = _Recipe()
    _write(recipe, path)
    data = bytearray(path.read_bytes())
    entry = data.index(b"elst") + 12  # after the type, version and count
    _, start, _ = struct.unpack_from(">IiI", data, entry)
    with av.open(str(path)) as container:
        frame_time = round(FRAME_TIME / container.streams.video[0].time_base)
    struct.pack_into(">Ii", data, entry, 10 * 40, start + 5 * frame_time)
    path.write_bytes(data)
    return replace(recipe, first_number=5, ticks=tuple(range(10))).truth()


def _tuned_in(path: Path) -> ClipTruth:
    """A recording that begins between two key frames: what comes before frame 5 cannot be decoded."""
    _write(_Recipe(options=_KEY_5), path)
    position, _ = _packets(path)[2]
    path.write_bytes(path.read_bytes()[position:])
    return _Recipe(first_number=5, ticks=tuple(range(FRAMES - 5))).truth()


def _joined(path: Path) -> ClipTruth:
    """Two recordings in one file: the clock of the second one starts anew."""
    parts = []
    for first_number in (0, 10):
        _write(_Recipe(first_number=first_number, ticks=tuple(range(10))), path)
        parts.append(path.read_bytes())
    path.write_bytes(b"".join(parts))
    return _Recipe().truth()


def _packets(path: Path) -> list[tuple[int, bytes]]:
    """(position, bytes) of every packet of the picture track."""
    with av.open(str(path)) as container:
        return [(packet.pos or 0, bytes(packet)) for packet in container.demux(video=0) if packet.size]


def _truncated(recipe: _Recipe, whole: bool, path: Path) -> ClipTruth:
    """Cut in the middle of packet `CUT_AT`; without B-frames that is the frame of this number."""
    truth = _write(recipe, path)
    position, packet = _packets(path)[CUT_AT]
    path.write_bytes(path.read_bytes()[: position + len(packet) // 2])
    return replace(_only(truth, range(CUT_AT)), whole=whole)


def _truncated_avi(path: Path) -> ClipTruth:
    """FFmpeg shows the torn last frame too: half of it is of the frame before."""
    recipe = _Recipe("mpeg4")
    truth = _only(_truncated(recipe, False, path), range(CUT_AT))
    times = recipe.truth().times_s[: CUT_AT + 1]
    return replace(truth, frames=CUT_AT + 1, times_s=times, at_least=CUT_AT, numbers=())


def _only(truth: ClipTruth, which: Iterable[int]) -> ClipTruth:
    """The truth where only these frames are left, of which the first is the clip's first one."""
    kept = tuple(which)
    times = tuple(truth.times_s[place] for place in kept)
    return replace(
        truth, frames=len(kept), times_s=times, numbers=tuple(truth.numbers[place] for place in kept)
    )


def _damaged_mkv(path: Path) -> ClipTruth:
    """The bytes of one packet are zeros; it is the last one before a key frame."""
    truth = _write(_Recipe(options=_KEY_5), path)
    _, packet = _packets(path)[DAMAGED]
    path.write_bytes(path.read_bytes().replace(packet, bytes(len(packet))))
    return _without_damaged(truth)


def _damaged_ts(path: Path) -> ClipTruth:
    """The first two transport packets of one frame are zeros."""
    truth = _write(_Recipe(options=_KEY_5), path)
    position, _ = _packets(path)[DAMAGED]
    data = bytearray(path.read_bytes())
    data[position : position + 2 * 188] = bytes(2 * 188)
    path.write_bytes(data)
    return _without_damaged(truth)


def _without_damaged(truth: ClipTruth) -> ClipTruth:
    """One frame is missing; a reader may also drop what is next to it, up to its key frame."""
    rest = [number for number in truth.numbers if number != DAMAGED]
    return replace(_only(truth, rest), at_least=truth.frames - 5)


# ---------------------------------------------------------------- no clips


def _audio_only(path: Path) -> None:
    with av.open(str(path), "w") as container:
        _encode_sound(container, _add_sound(container, _Sound()), _Sound())


def _cover_and_sound(path: Path) -> None:
    with av.open(str(path), "w") as container:
        sound, cover = _add_sound(container, _Sound()), _add_cover(container)
        _encode_sound(container, sound, _Sound())
        _encode_cover(container, cover)


def _cut_header(path: Path) -> None:
    """The index at the end is cut: nothing can be read."""
    _write(_Recipe(), path)
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"moov") + 100])


def _bytes(data: bytes, path: Path) -> None:
    path.write_bytes(data)


def _png(path: Path) -> None:
    path.write_bytes(_still("PNG"))


def _playlist(path: Path) -> None:
    """An HLS playlist of one whole clip beside it."""
    other = path.with_name(f"{path.stem}_other.ts")
    _write(_Recipe(), other)
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:1", "#EXTINF:0.8,", other.name]
    path.write_text("\n".join([*lines, "#EXT-X-ENDLIST", ""]))


def _concat_script(path: Path) -> None:
    """A script of FFmpeg that names one whole clip beside it."""
    other = path.with_name(f"{path.stem}_other.mp4")
    _write(_Recipe(), other)
    path.write_text(f"ffconcat version 1.0\nfile {other.name}\n")


# ---------------------------------------------------------------- the lists


def _can_write(codec: str, pix_fmt: str | None = None) -> bool:
    try:
        formats = av.codec.Codec(codec, "w").video_formats or ()
    except ValueError:  # PyAV's UnknownCodecError
        return False
    return pix_fmt is None or pix_fmt in {known.name for known in formats}


def _kind(name: str, suffix: str, make: Callable[[Path], ClipTruth], *codecs: str) -> tuple[ClipKind, ...]:
    """The kind where its encoders are installed (H.264 where none are named), else nothing."""
    there = all(_can_write(codec) for codec in codecs or ("libx264",))
    return (ClipKind(name, suffix, make),) if there else ()


def _plain(name: str, suffix: str, recipe: _Recipe) -> tuple[ClipKind, ...]:
    """A kind that is written and not changed afterwards."""
    if not _can_write(recipe.codec, recipe.pix_fmt):
        return ()
    sound = (recipe.sound.codec,) if recipe.sound else ()
    return _kind(name, suffix, partial(_write, recipe), recipe.codec, *sound)


_CAN_TURN = hasattr(VideoStream, "set_display_rotation")  # not in PyAV 17.0
_MS = Fraction(1, 1000)
_UNEVEN = (0, 15, 95, 400, 420, 700)
_LATE = tuple(range(10, 10 + FRAMES))
_AT_ONE_HOUR = tuple(range(HOUR * 25, HOUR * 25 + FRAMES))
_INTERLACED = _Recipe("mpeg2video", options={"flags": "+ildct+ilme"}, top_field_first=True)
_PCM = _Sound("pcm_s16le", rate=8000, seconds=1.3)
_FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}
_FASTSTART = {"movflags": "faststart"}

KINDS: tuple[ClipKind, ...] = (
    *_plain("h264_mp4", ".mp4", _Recipe()),
    *_plain("h264_mov", ".mov", _Recipe()),
    *_plain("h264_mkv", ".mkv", _Recipe()),
    *_plain("h264_ts", ".ts", _Recipe()),
    *_plain("h264_flv", ".flv", _Recipe()),
    *_plain("mpeg4_avi", ".avi", _Recipe("mpeg4")),
    *_plain("mpeg4_avi_b_frames", ".avi", _Recipe("mpeg4", options={"bf": "2"})),
    # The header counts 15 packets, of which 5 are empty: still nothing is missing.
    *_plain("mpeg4_avi_gaps", ".avi", _Recipe("mpeg4", ticks=(0, 1, 2, 5, 6, 7, 10, 12, 13, 14))),
    *_plain("mjpeg_avi", ".avi", _Recipe("mjpeg", pix_fmt="yuvj420p")),
    *_plain("mjpeg_mov", ".mov", _Recipe("mjpeg", pix_fmt="yuvj420p")),
    *_plain("vp9_webm", ".webm", _Recipe("libvpx-vp9")),
    *_plain("av1_mp4", ".mp4", _Recipe("libsvtav1", ticks=tuple(range(10)))),
    *_plain("prores_mov", ".mov", _Recipe("prores_ks", ticks=tuple(range(10)), pix_fmt="yuv422p10le")),
    *_plain("mpeg2_mpg_interlaced", ".mpg", replace(_INTERLACED, format="vob")),
    *_plain("mpeg2_ts_interlaced", ".ts", _INTERLACED),
    *_plain("h264_mp4_interlaced", ".mp4", _Recipe(options={"x264-params": "tff=1:weightp=0"})),
    *_plain("h264_mp4_10_bit", ".mp4", _Recipe(pix_fmt="yuv420p10le")),
    *_plain("hevc_mp4", ".mp4", _Recipe("libx265")),
    *_plain("h264_mp4_uneven", ".mp4", _Recipe(ticks=_UNEVEN, tick=_MS, options={"bf": "0"})),
    *_plain("h264_mkv_uneven", ".mkv", _Recipe(ticks=_UNEVEN, tick=_MS)),
    *_kind("h264_mp4_rotated90", ".mp4", partial(_turned, 90, _Recipe())),
    *_kind("h264_mp4_rotated180", ".mp4", partial(_turned, 180, _Recipe())),
    *_kind("h264_mp4_rotated270", ".mp4", partial(_turned, 270, _Recipe())),
    *_kind("h264_mp4_rotated90_wide", ".mp4", partial(_turned, 90, _Recipe(sar=Fraction(2)))),
    *(_kind("h264_mkv_rotated90", ".mkv", _turned_mkv) if _CAN_TURN else ()),
    *_plain("h264_mp4_wide", ".mp4", _Recipe(sar=Fraction(2))),
    *_plain("h264_mkv_wide", ".mkv", _Recipe(sar=Fraction(2))),
    *_kind("h264_mp4_trimmed", ".mp4", _trimmed),
    *_plain("h264_mp4_fragmented", ".mp4", _Recipe(options={"g": "5"}, container_options=_FRAGMENTS)),
    *_plain("h264_mkv_live", ".mkv", _Recipe(container_options={"live": "1"})),  # no duration in its header
    *_plain("h264_mkv_at_one_hour", ".mkv", _Recipe(ticks=_AT_ONE_HOUR)),
    *_plain("h264_ts_at_one_hour", ".ts", _Recipe(ticks=_AT_ONE_HOUR)),
    *_kind("h264_ts_joined", ".ts", _joined),
    *_kind("h264_ts_tuned_in", ".ts", _tuned_in),
    *_plain("h264_mp4_aac", ".mp4", _Recipe(sound=_Sound())),
    *_plain("h264_mp4_sound_first", ".mp4", _Recipe(ticks=_LATE, sound=_Sound())),
    *_plain("vp9_webm_opus", ".webm", _Recipe("libvpx-vp9", sound=_Sound("libopus"))),
    *_plain("h264_mkv_pcm_longer", ".mkv", _Recipe(sound=_PCM)),
    *_kind(
        "h264_mp4_truncated",
        ".mp4",
        partial(_truncated, _Recipe(options=_KEY_5, container_options=_FASTSTART), False),
    ),
    *_kind("h264_mkv_truncated", ".mkv", partial(_truncated, _Recipe(options=_KEY_5), False)),
    *_kind("mpeg4_avi_truncated", ".avi", _truncated_avi, "mpeg4"),
    *_kind("h264_ts_truncated", ".ts", partial(_truncated, _Recipe(options=_KEY_5), True)),
    *_kind("h264_mkv_damaged", ".mkv", _damaged_mkv),
    *_kind("h264_ts_damaged", ".ts", _damaged_ts),
    *_kind("h264_mkv_two_tracks", ".mkv", _two_tracks),
    *_kind("h264_mp4_two_tracks", ".mp4", _two_tracks),
    *_kind("h264_mkv_cover", ".mkv", _cover_in_mkv),
    *_kind("h264_mp4_cover", ".mp4", _cover_in_mp4, "libx264", "mjpeg"),
    *_plain("gif", ".gif", _Recipe("gif", pix_fmt="rgb8")),
    *_kind("gif_transparent", ".gif", _gif, "gif"),
    *_plain("apng", ".apng", _Recipe("apng", pix_fmt="rgba")),
    *_kind("apng_transparent", ".png", partial(_see_through, "PNG"), "apng"),
    # FFmpeg 8.1 cannot read it, Pillow can.
    ClipKind("webp_transparent", ".webp", partial(_see_through, "WEBP")),
    *_plain("h264_raw", ".h264", _Recipe()),
    *_plain("h264_raw_50", ".h264", _Recipe(tick=Fraction(1, 50))),
    *_plain("ffv1_mkv_odd", ".mkv", _Recipe("ffv1", size=(63, 47), pix_fmt="yuv444p")),
    *_plain("h264_mp4_one_frame", ".mp4", _Recipe(ticks=(0,))),
)

BAD: tuple[BadKind, ...] = (
    BadKind("audio_only", ".mp4", _audio_only),
    BadKind("empty", ".mp4", partial(_bytes, b"")),
    BadKind("png", ".mp4", _png),
    BadKind("text", ".mp4", partial(_bytes, b"This is a note and no clip.\n" * 40)),
    BadKind("cut_header", ".mp4", _cut_header),
    BadKind("cover_and_sound", ".mp4", _cover_and_sound),
    BadKind("playlist", ".m3u8", _playlist),
    BadKind("concat_script", ".ffconcat", _concat_script),
    BadKind("concat_script_as_mp4", ".mp4", _concat_script),
)

"""What a text names: a camera, an address, a clip, a pipe or numbered pictures; or pictures, no video."""

import contextlib
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from facecli.core.console import redacted
from facecli.core.errors import InputError
from facecli.core.files import expand_pattern, walk_folders
from facecli.core.images import find_images, is_heif, is_image
from facecli.core.paths import is_storage_address
from facecli.sources.inputs import is_archive

_PLACE = re.compile(r"%0?\d*d")
_NUMBERED = re.compile(r"(.*?)(\d+)$")

_DEVICE = re.compile(r"/dev/video(\d+)")
_CAMERA = re.compile(r"(?:camera:)?([0-9]+)")
FIRST_CAMERA = "camera:0"
"""Never a file, whatever its name."""


def is_pattern(spec: str) -> bool:
    """Does the file's name hold a place for a number, as in %04d.png? A file of that very name does not."""
    return bool(_PLACE.search(Path(spec).name)) and _mode(spec) is None


def sequence_pictures(spec: str) -> list[Path]:
    """Pictures of a folder or pattern, by number.

    Raises InputError when there is none.
    """
    folder = Path(spec) if Path(spec).is_dir() else Path(spec).parent
    numbered = _of_pattern(folder, Path(spec).name) if is_pattern(spec) else _of_folder(folder)
    if not numbered:
        remedy = "name a clip, or pictures such as frames/0001.png"
        if is_pattern(spec):
            raise InputError(f"no picture matches {spec}; {remedy}")
        raise InputError(f"{spec} is a folder without numbered pictures; {remedy}")
    return [path for _, path in sorted(numbered)]


def _of_pattern(folder: Path, name: str) -> list[tuple[tuple[str, int], Path]]:
    before, after = _PLACE.split(name, maxsplit=1)
    wanted = re.compile(re.escape(before) + r"(\d+)" + re.escape(after))
    names = [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
    return [(("", int(found[1])), path) for path in names if (found := wanted.fullmatch(path.name))]


def _of_folder(folder: Path) -> list[tuple[tuple[str, int], Path]]:
    pictures = [path for path in find_images(folder) if path.parent == folder]
    return [
        ((found[1], int(found[2])), path) for path in pictures if (found := _NUMBERED.fullmatch(path.stem))
    ]


class CaptureOptions(NamedTuple):
    """What a camera is asked for, in pixels and frames a second; None leaves it as it is.

    `fps` is the playing rate of a sequence of pictures, too.
    """

    width: int | None = None
    height: int | None = None
    fps: float | None = None


def is_camera(spec: str) -> bool:
    """Is it the number or the device of a camera? A number is a file where there is one of that name."""
    if _CAMERA.fullmatch(spec):
        return spec.startswith("c") or _mode(spec) is None
    return spec.startswith("/dev/") and _mode(spec) in (None, stat.S_IFCHR)


def is_address(spec: str) -> bool:
    """Is it the address of a stream, or of a clip?"""
    return "://" in spec and _mode(spec) is None


def local_path(spec: str) -> str | None:
    """The file that an address of the kind "file:///..." names, else None."""
    parts = _split(spec) if is_address(spec) else None
    return unquote(parts.path) if parts is not None and parts.scheme.lower() == "file" else None


def _split(address: str) -> SplitResult | None:
    """Its parts; None when it cannot be an address, which whoever opens it tells."""
    try:
        return urlsplit(address)
    except ValueError:
        return None


def is_pipe(spec: str) -> bool:
    """Is it standard input ("-"), or what another program writes into? It can be read once."""
    return spec == "-" or _mode(spec) in (stat.S_IFIFO, stat.S_IFSOCK)


def is_sequence(spec: str) -> bool:
    """Is it a folder, or a pattern such as frames/%04d.png?"""
    return not is_camera(spec) and not is_address(spec) and (is_pattern(spec) or _mode(spec) == stat.S_IFDIR)


def is_clip(spec: str) -> bool:
    """Is it a video file?"""
    return not (is_camera(spec) or is_address(spec) or is_pipe(spec) or is_sequence(spec))


def is_animated_webp(spec: str) -> bool:
    """Is it a WebP file, by its first bytes, that holds an animation?"""
    if not is_clip(spec):
        return False
    try:
        with open(spec, "rb") as file:
            start = file.read(64)
    except (OSError, ValueError):
        return False
    return start[:4] == b"RIFF" and start[8:12] == b"WEBP" and b"ANIM" in start


_VIDEO_STARTS = {
    4: (b"ftyp", b"moov", b"mdat", b"wide"),
    0: (b"\x1aE\xdf\xa3", b"FLV\1", b"OggS", b"\0\0\1\xba", b"\0\0\1\xb3", b"0&\xb2u\x8ef\xcf\x11"),
    8: (b"AVI ",),
}
"""Place in a file -> what stands there in clips (MP4, QuickTime; Matroska, Flash, Ogg, MPEG, ASF; AVI)."""


def looks_like_video(data: bytes) -> bool:
    """Does content that is no picture begin as clips do?"""
    if any(data.startswith(starts, place) for place, starts in _VIDEO_STARTS.items()):
        return not is_heif(data)
    # MPEG transport streams: packets of 188 bytes.
    return data[:1] == data[188:189] == data[376:377] == b"G"


def _mode(spec: str) -> int | None:
    """The kind of file at a path, see `stat.S_IFMT`; None when nothing can be seen there."""
    try:
        return stat.S_IFMT(Path(spec).stat().st_mode)
    except (OSError, ValueError):
        return None


def camera_of(spec: str) -> int | str:
    """The number of a camera, which every backend of OpenCV knows; else its device."""
    if number := _CAMERA.fullmatch(spec):
        return int(number[1])
    # Links such as /dev/v4l/by-id/... keep pointing at the same camera.
    device = _DEVICE.fullmatch(str(Path(spec).resolve()))
    return int(device[1]) if device else spec


def check_spec(spec: str) -> None:
    """Raises InputError when `spec` names a file, folder or device that is not there."""
    if spec == "-" or is_address(spec):
        return
    if is_camera(spec):
        if not _CAMERA.fullmatch(spec) and _mode(spec) is None:
            raise InputError(
                f"no such camera: {spec}", "'facecli run --list-cameras' shows those that are there"
            )
    elif is_sequence(spec):
        sequence_pictures(spec)
    elif _mode(spec) is None:
        raise InputError(f"no such clip: {source_name(spec)}; check the path")


def check_capture_options(spec: str, capture_options: CaptureOptions, reconnect: bool) -> None:
    """Raises InputError when something is asked of a source that cannot give it."""
    if (capture_options.width or capture_options.height) and not is_camera(spec):
        raise InputError(
            "width and height can be set only for cameras; clips and streams have their own size"
        )
    if capture_options.fps and not (is_camera(spec) or is_sequence(spec)):
        raise InputError(
            "fps can be set only for cameras and numbered pictures; clips and streams have their own"
        )
    if reconnect and not (is_camera(spec) or is_address(spec)):
        raise InputError("reconnecting is only for cameras and streams")


def source_name(spec: str) -> str:
    """How messages call a source: "camera 0", or as given, without passwords."""
    if spec == "-":
        return "standard input"
    number = _CAMERA.fullmatch(spec)
    return f"camera {number[1]}" if number and is_camera(spec) else redacted(spec)


def cannot_open(spec: str) -> str:
    """One line with a remedy."""
    if is_camera(spec):
        return f"{source_name(spec)} cannot be opened: none there, or in use; give another number or a clip"
    if is_address(spec):
        return f"{source_name(spec)} cannot be opened; check the address and the network"
    if is_pipe(spec):
        return (
            f"{source_name(spec)} cannot be opened: no video, cut short, or one whose index lies at its end "
            "(many .mp4 and .mov); give the file by its name"
        )
    return f"{source_name(spec)} cannot be opened: not a video, damaged, or cut short; try another file"


VIDEO_SUFFIXES = (
    ".3gp", ".asf", ".avi", ".dv", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts",
    ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv",
)  # fmt: skip
"""By these clips are known in folders; a clip that is named may have any."""


class Video(NamedTuple):
    """One video of those that were given.

    Attributes:
        spec: what `sources.video.open_source` takes.
        parts: names of folders and file below what was given, for a file that is made of it.
    """

    spec: str
    parts: tuple[str, ...]


def find_videos(given: Sequence[str], excluded: Path | None = None) -> list[Video]:
    """Every camera, clip, sequence and stream that is meant: folders of clips and patterns are looked into.

    Args:
        given: texts of --video. A folder with clips in or below it stands for these, one with numbered
            pictures alone is one video; "clips/*.mp4" stands for what it fits.
        excluded: folder that results are written to: clips of a folder around it that lie there are left out.

    Raises InputError when nothing fits a pattern.
    """
    found: list[Video] = []
    for spec in given:
        if is_clip(spec) and set(spec) & set("*?[") and _mode(spec) is None:
            found += _matching(spec)
        elif (
            _mode(spec) == stat.S_IFDIR
            and not is_address(spec)
            and (clips := _clips_below(Path(spec), excluded))
        ):
            found += [Video(str(clip), clip.relative_to(spec).parts) for clip in clips]
        else:
            found.append(Video(spec, (_called(spec),)))
    return found


def _matching(pattern: str) -> list[Video]:
    paths = [path for path in expand_pattern(pattern) if Path(path).is_file()]
    if not paths:
        raise InputError(f"no clip matches {pattern}; check the path")
    return [Video(path, (Path(path).name,)) for path in paths]


def _clips_below(folder: Path, excluded: Path | None) -> list[Path]:
    return sorted(
        Path(root, name)
        for root, files in walk_folders(folder)
        if excluded is None or not _lies_below(root, excluded, folder)
        for name in files
        if _is_clip_of_folder(root, name)
    )


def _lies_below(root: str, inner: Path, outer: Path) -> bool:
    """Is it in the inner of two folders, that one being in the outer?"""
    place, within, around = (os.path.realpath(one) for one in (root, inner, outer))
    return within.startswith(os.path.join(around, "")) and (place + os.sep).startswith(within + os.sep)


def _is_clip_of_folder(root: str, name: str) -> bool:
    """By its suffix; but no picture that has one, by mistake."""
    if name.startswith(".") or not name.lower().endswith(VIDEO_SUFFIXES):
        return False
    path = Path(root, name)
    return path.is_file() and not is_image(path)


class SortedSources(NamedTuple):
    """What was given, by kind and in its order; a folder or pattern with both kinds is in both."""

    pictures: list[str]
    videos: list[str]

    def add(self, given: str, kinds: tuple[bool, bool]) -> None:
        """Takes one, and whether it holds pictures and videos; with neither it is taken for a picture."""
        has_pictures, has_videos = kinds
        if has_videos:
            self.videos.append(given)
        if has_pictures or not has_videos:
            self.pictures.append(given)


def sort_sources(given: Sequence[str]) -> SortedSources:
    """Looks what each is: at the first bytes of files, into folders and patterns, at the suffix of addresses.

    Lists (@list.txt) and archives are of pictures, and so is what is not there, which whoever opens it tells.

    An address of the kind "file:///..." counts as the path that it names.

    Raises InputError for "-", which may be either, and for an empty name.
    """
    found = SortedSources([], [])
    for one in (local_path(one) or one for one in given):
        members = _members(one) if _is_glob(one) else {}
        if any(has_videos for _, has_videos in members.values()):
            for member, kinds in members.items():
                found.add(member, kinds)
        else:
            found.add(one, _kinds_of(one))
    return found


def _members(pattern: str) -> dict[str, tuple[bool, bool]]:
    """What matches and may be meant, with its kinds: other files are left out."""
    # Files, also those that are called like standard input or a camera.
    found = (f"./{one}" if one == "-" or is_camera(one) else one for one in expand_pattern(pattern))
    # Folders are gone through by ** itself.
    wanted = [one for one in found if "**" not in pattern or not Path(one).is_dir()]
    kinds = {one: _kinds_of_path(Path(one)) for one in wanted}
    return {one: has for one, has in kinds.items() if any(has) or Path(one).is_dir() or is_archive(one)}


def _is_glob(given: str) -> bool:
    return bool(set(given) & set("*?[")) and not (is_address(given) or _mode(given))


def _kinds_of(given: str) -> tuple[bool, bool]:
    """Are there pictures, are there videos?"""
    if given == "-":
        raise InputError("standard input could be a picture or a video", "give --img - or --video -")
    if not given:
        raise InputError("an empty name is not a picture or clip; check the arguments")
    if is_address(given):
        known = _split(given)
        if is_storage_address(given):
            return True, False
        is_web = given.lower().startswith(("http://", "https://"))
        is_video = not is_web or (known is not None and _is_called_video(known.path))
        return not is_video, is_video
    if is_camera(given) or is_pattern(given):
        return False, True
    return _kinds_of_path(Path(given))


def _kinds_of_path(path: Path) -> tuple[bool, bool]:
    """In a folder clips are known by their suffix; it is looked through until both are found."""
    if _mode(str(path)) != stat.S_IFDIR:
        return _kinds_of_file(path)
    has_pictures = has_videos = False
    for root, files in walk_folders(path):
        for name in files:
            if _is_clip_of_folder(root, name):
                has_videos = True
            elif not (has_pictures or name.startswith(".")):
                has_pictures = is_image(Path(root, name))
        if has_pictures and has_videos:
            break
    return has_pictures, has_videos


def _kinds_of_file(path: Path) -> tuple[bool, bool]:
    with contextlib.suppress(OSError):
        if _mode(str(path)) != stat.S_IFREG:
            return True, False
        with open(path, "rb") as file:
            start = file.read(512)
        # A name may lie, also that of a picture.
        is_video = looks_like_video(start) or (_is_called_video(path.name) and not is_image(path))
        return is_image(path) and not is_video, is_video
    return False, False


def _is_called_video(name: str) -> bool:
    return name.lower().endswith((*VIDEO_SUFFIXES, ".m3u8", ".mpd"))


def _called(spec: str) -> str:
    """A name for a file that is made of it; a pattern of numbered pictures has that of its folder."""
    if spec == "-":
        return "stdin"
    if is_address(spec):
        return Path(redacted(spec).rstrip("/")).name or "stream"
    if is_pattern(spec):
        return Path(spec).absolute().parent.name or "frames"
    if is_camera(spec) and isinstance(number := camera_of(spec), int):
        return f"camera{number}"
    return Path(spec).absolute().name or "video"

"""Where facecli reads and writes: the user's folders and the files that ship with it.

`FACECLI_HOME` moves `data/`, `saved_model/` and `statistics/`; without it they lie in
the source checkout when facecli runs from one, else in the platform's user data folder.
"""

import contextlib
import io
import os
import re
import shutil
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import TextIO

from facecli.core.errors import CheckpointError, OutputError

MODEL_TYPES = ("facenet", "normal", "open")
"""Of models that read faces, the default first: whatever offers a choice of models takes them from here."""
MODEL_FOLDERS = {model_type: f"{model_type}_model" for model_type in MODEL_TYPES}
"""Model type -> name of the folder of the model that ships under it."""
DETECTOR, DETECTOR_MODEL = "detector", "face_detector"
"""Model type of the network that finds faces, and the folder of the one that ships."""
LANDMARKS, LANDMARKS_MODEL = "landmarks", "face_landmarks"
"""The same of the network that looks closer at each face that was found."""
SHIPPED_MODELS = (*MODEL_FOLDERS.values(), DETECTOR_MODEL, LANDMARKS_MODEL)
"""Names of the folders that come with facecli."""

PACKAGE = Path(__file__).resolve().parent.parent
_CHECKOUT = PACKAGE.parent.parent
_TEMPORARY = r"\..*-([0-9]{1,10})-([0-9a-f]{4})[0-9a-f]{4}(\.\w+)?"
"""Names of files that are not finished, with the process and the machine that write them."""
_ABANDONED_S = 86_400.0
"""Then nobody goes on with what another machine has begun: whether that runs cannot be seen here."""
_KEPT_OF_STEM = 40
"""Letters of a file's name in that of its temporary one, which must not become too long."""
_STORAGE = "s3://", "gs://", "az://", "hf://"


def _is_checkout() -> bool:
    return (_CHECKOUT / "setup.py").is_file() and (_CHECKOUT / "src" / "facecli").is_dir()


def home() -> Path:
    """Folder that holds data/, saved_model/ and statistics/ (not created here)."""
    if moved := os.environ.get("FACECLI_HOME"):
        return Path(moved).expanduser()
    if _is_checkout():
        return _CHECKOUT
    # Here and below not above: `--help` starts with this module, and asks for no place.
    import platformdirs

    return Path(platformdirs.user_data_dir("facecli", appauthor=False))


def data_dir() -> Path:
    """Folder of the training data sets."""
    return home() / "data"


def saved_model_dir() -> Path:
    """Folder that new checkpoints are written to."""
    return home() / "saved_model"


def statistics_dir() -> Path:
    """Folder of the plots and tables that training and evaluation write."""
    return home() / "statistics"


def weights_dir() -> Path:
    """Folder of downloaded pretrained weights (never shipped)."""
    return home() / "saved_model" / "weights"


def cache_dir() -> Path:
    """Folder of what can be computed again: decoded pictures, frozen features."""
    if moved := os.environ.get("FACECLI_HOME"):
        return Path(moved).expanduser() / "cache"
    import platformdirs

    return Path(platformdirs.user_cache_dir("facecli", appauthor=False))


def find_model(name: str) -> Path:
    """Folder of a checkpoint given by name or path: the user's own first, then the shipped.

    Raises CheckpointError when there is none.
    """
    given = _expanded(name)
    tried = [given] if given.parts != (name,) or given.is_dir() else []
    tried += [saved_model_dir() / name, *(root / name for root in shipped_places("saved_model"))]
    for folder in tried:
        if may_hold(folder, "config.json"):
            return folder
    raise CheckpointError(
        f"no model '{name}': no config.json in {', '.join(map(str, dict.fromkeys(tried)))}",
        "train one with 'facecli train' or name a model folder with --model-path",
    )


def _expanded(name: str) -> Path:
    """With the home of "~"; as it is where nobody has that name."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        return Path(name)


def may_hold(folder: Path, file: str) -> bool:
    """Is there a file of that name in a folder, or may nobody look? Reading it then says why it cannot be."""
    try:
        return (folder / file).is_file()
    except OSError:
        return True


def find_cascade(name: str = "haarcascade_frontalface_alt2.xml") -> Path:
    """Path of a shipped Haar cascade XML. Raises CheckpointError when it is missing."""
    for root in shipped_places("xml"):
        if (root / name).is_file():
            return root / name
    raise CheckpointError(f"cascade '{name}' is missing from this installation; reinstall facecli")


def shipped_places(folder: str) -> list[Path]:
    """Places of a shipped folder, such as "saved_model": inside the installed package, or in the checkout."""
    return [PACKAGE / "shipped" / folder, _CHECKOUT / folder]


def is_installed(path: Path) -> bool:
    """Did the file come inside the installed package?"""
    return Path(path).is_relative_to(PACKAGE / "shipped")


def file_path(given: str) -> str:
    """The path that an address such as "file:///photos/a.jpg" names; anything else as it is."""
    if not given.lower().startswith("file://"):
        return given
    from urllib.parse import unquote, urlsplit

    try:
        parts = urlsplit(given)
    except ValueError:
        return given
    return unquote(parts.path) if parts.netloc in ("", "localhost") else given


def is_storage_address(given: str) -> bool:
    """Is it an address of object storage: s3://bucket/key, gs://, az:// or hf://?"""
    return given[:5].lower().startswith(_STORAGE)


def how_to_install(extra: str) -> str:
    """The command that brings an extra, such as "train": of a checkout, or from an index."""
    if may_hold(_CHECKOUT, "setup.py"):
        import shlex

        here = "." if Path.cwd() == _CHECKOUT else os.fspath(_CHECKOUT)
        return f"pip install -e {shlex.quote(f'{here}[{extra}]')}"
    return f"pip install 'facecli[{extra}]'"


def unopened_text() -> TextIO:
    """What stands for a text file until it is opened: like a closed one it refuses to be written."""
    file = io.StringIO()
    file.close()
    return file


def is_stream(target: str | os.PathLike[str]) -> bool:
    """Is it standard output ("-"), a pipe or a device, which are written to and never replaced?

    So is a file by the name under which a process has it open: "/dev/stdout" of a redirected output.
    """
    path = Path(target)
    if os.fspath(target) == "-":
        return True
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            return True
        folder = os.path.realpath(path.parent)
    except (OSError, ValueError):
        return False
    return folder in ("/dev", "/dev/fd") or folder.startswith("/proc/")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path` that takes its place when the block succeeds.

    The suffix is kept (image and video writers choose a format by it). On any error,
    Ctrl-C included, the temporary file is removed and the old file stays untouched. A pipe or
    a device stays what it is, and is given what was written.
    Raises OutputError when the folder cannot be written or the disk is full.
    """
    path = Path(path)
    if is_stream(path):
        with _filling(path) as temporary:
            yield temporary
        return
    try:
        temporary = _make_beside(path, _make_file)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _filling(stream: Path) -> Iterator[Path]:
    """Yields a temporary path whose content goes to a pipe or a device when the block succeeds."""
    import tempfile

    try:
        with tempfile.TemporaryDirectory(prefix="facecli-") as folder:
            temporary = Path(folder, f"stream{stream.suffix}")
            _make_file(temporary)
            yield temporary
            with open(temporary, "rb") as written, open(stream, "wb") as file:
                shutil.copyfileobj(written, file)
    except OSError as error:
        raise OutputError(f"cannot write {stream}: {error.strerror or error}") from error


def _make_beside(path: Path, make: Callable[[Path], None]) -> Path:
    """A file or folder of a new name in the folder of `path`, which is made, too. Raises OSError.

    The system itself takes the umask off its mode: asking for the umask means to set it for a moment, also
    for other threads.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        name = f".{path.stem[:_KEPT_OF_STEM]}-{os.getpid()}-{_machine()}{os.urandom(2).hex()}{path.suffix}"
        with contextlib.suppress(FileExistsError):
            make(path.parent / name)
            return path.parent / name


def remove_leftovers(names: Iterable[Path]) -> None:
    """Removes those of these files that a killed process of facecli has left unfinished, by their names.

    Another machine may write into a shared folder, too: its files stay for a day.
    """
    for path in names:
        found = re.match(_TEMPORARY, path.name)
        with contextlib.suppress(OSError):
            if found and _is_left(int(found[1]), found[2], path):
                path.unlink()


def _is_left(process: int, machine: str, path: Path) -> bool:
    if machine == _machine():
        return not _runs(process)
    return time.time() - path.stat().st_mtime > _ABANDONED_S


@lru_cache(maxsize=1)
def _machine() -> str:
    """Four hexadecimal digits of this machine since it was started, and of this container on it."""
    marks = [os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")]
    with contextlib.suppress(OSError):
        marks.append(Path("/proc/sys/kernel/random/boot_id").read_text("ascii"))
        marks.append(os.readlink("/proc/self/ns/pid"))
    return f"{zlib.crc32(''.join(marks).encode(errors='replace')) & 0xFFFF:04x}"


def _runs(process: int) -> bool:
    if os.name != "posix":
        # To ask would be to send Ctrl-C.
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        # Somebody else's.
        return True
    return True


def _make_file(path: Path) -> None:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666))


@contextlib.contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yields a new folder beside `path` that is renamed to it when the block succeeds.

    `path` must be missing or empty. On any error nothing is left behind. Raises OutputError
    when it cannot be written.
    """
    path = Path(path)
    try:
        temporary = _make_beside(path, Path.mkdir)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)

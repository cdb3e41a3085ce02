"""Archives of pictures: where public data sets are fetched from, and what is in archives, unpacked once.

They are unpacked into the data folder as if they came from a stranger. Only plain files and folders are
written, only below the new folder, and only so many bytes; an archive with anything else is refused as a
whole. The folder appears under its name when everything is in it, never half filled.
"""

import gzip
import logging
import lzma
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

from facecli.core import paths
from facecli.core.console import bars_wanted, stderr_console
from facecli.core.download import DEFAULT_RETRY, NotFoundError, PublishedFile, RetryPolicy, fetch_file
from facecli.core.errors import DataError, DownloadError, InputError, OutputError

log: logging.Logger = logging.getLogger(__name__)

SUFFIXES = (".tar.gz", ".tgz", ".tar", ".zip")
MAX_FILES = 1_000_000
MAX_UNPACKED_BYTES = 20 << 30
MARKER = ".facecli-unpacked"
"""File in an unpacked folder that names the archives it came from and their sizes."""
_CHUNK = 1 << 20
_DAMAGED = (
    tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError,
    EOFError, NotImplementedError,
)  # fmt: skip


@dataclass(frozen=True)
class PublicDataset:
    """A data set that others publish.

    Attributes:
        title: what it is.
        terms: on which it comes, in a line.
        folder: its name in the data folder, where training looks for it.
        page: where its authors tell of it.
        files: what is fetched; the first archive is unpacked, others lie beside what was in it. None of
            them: it cannot be fetched without an account, or a browser.
        by_hand: what to do then.
        size: for people.
        holds: patterns; a file of each such set fits one of them, as `Path.match` says.
    """

    title: str
    terms: str
    page: str
    folder: str
    files: tuple[PublishedFile, ...] = ()
    by_hand: str = ""
    size: str = ""
    holds: tuple[str, ...] = ("*",)


_FIGSHARE = "https://ndownloader.figshare.com/files/"
DATASETS = {
    "utkface": PublicDataset(
        "UTKFace, aligned and cropped: 23,707 faces of 0 to 116 years with age, gender and race",
        "non-commercial research; the pictures belong to their owners",
        "https://susanqq.github.io/UTKFace/",
        "UTKFace",
        by_hand="take UTKFace.tar.gz from Google Drive there, or kaggle.com/datasets/jangedoo/utkface-new",
        size="107 MB",
        holds=("[0-9]*_[01]_*",),
    ),
    "fairface": PublicDataset(
        "FairFace: 97,698 faces with age bin, gender and seven races, balanced",
        "CC BY 4.0",
        "https://github.com/joojs/fairface",
        "fairface",
        by_hand="take the archive with padding 0.25 and fairface_label_train.csv from Google Drive there, "
        "and put the table into the archive's folder",
        size="577 MB",
        holds=("fairface_label_*.csv", "train/[0-9]*.jpg"),
    ),
    "fer2013": PublicDataset(
        "FER2013: 35,887 grey faces of 48 pixels with one of seven emotions",
        "research; the Kaggle challenge of 2013",
        "https://www.kaggle.com/datasets/msambare/fer2013",
        "fer2013",
        by_hand="download its archive with your Kaggle account",
        size="63 MB",
        holds=("fer2013.csv", "icml_face_data.csv", "train/angry/*"),
    ),
    "lfw": PublicDataset(
        "Labeled Faces in the Wild, funneled: 13,233 pictures of 5,749 people, and the pairs",
        "research",
        "https://scikit-learn.org/stable/datasets/real_world.html",
        "lfw",
        (
            PublishedFile(
                "lfw-funneled.tgz",
                (f"{_FIGSHARE}5976015",),
                sha256="b47c8422c8cded889dc5a13418c4bc2abbda121092b3533a83306f90d900100a",
            ),
            PublishedFile(
                "pairs.txt",
                (f"{_FIGSHARE}5976006",),
                sha256="ea42330c62c92989f9d7c03237ed5d591365e89b3e649747777b70e692dc1592",
            ),
        ),
        size="233 MB",
        holds=("*_0001.jpg",),
    ),
    "wiki": PublicDataset(
        "WIKI of IMDB-WIKI, faces: 62,328 pictures with age and gender",
        "academic research",
        "https://data.vision.ee.ethz.ch/cvl/rrothe/imdb-wiki/",
        "wiki",
        (
            PublishedFile(
                "wiki_crop.tar",
                ("https://data.vision.ee.ethz.ch/cvl/rrothe/imdb-wiki/static/wiki_crop.tar",),
            ),
        ),
        size="811 MB",
        holds=("wiki.mat",),
    ),
}
"""Name in commands -> the data set. The digests of LFW are scikit-learn's."""


def get_dataset(
    name: str,
    source: Path | None = None,
    url: str | None = None,
    on_progress: Callable[[str, int, int | None], None] = lambda name, done, total: None,
    retry: RetryPolicy = DEFAULT_RETRY,
) -> Path:
    """Fetches a public data set into the data folder and unpacks it there; what is there already is kept.

    Args:
        name: key of DATASETS.
        source: an archive that the user has already, in place of the download.
        url: another address of its first file.
        on_progress: called with (file name, bytes so far, total bytes or None when unknown).
        retry: tries, and timeouts in seconds.

    Returns:
        The folder with the pictures.

    Raises:
        InputError: there is no such file, it is no archive, or one of something else; or a folder of that
            name came from elsewhere.
        DownloadError: it cannot be fetched, or not without an account: the text says what to do.
        DataError: the archive is damaged, or holds what is not unpacked.
        OutputError: the data folder cannot be written.
    """
    known, place = DATASETS[name], paths.data_dir()
    if source is not None:
        if archive_stem(source) is None or not source.is_file():
            raise InputError(f"{source} is not a {', '.join(SUFFIXES)} file of {name}; name one")
        return _unpack_dataset(source, known)
    if url is not None:
        files: tuple[PublishedFile, ...] = (PublishedFile(_called(url) or f"{name}.tar.gz", (url,)),)
    elif known.files:
        files = known.files
    else:
        raise DownloadError(
            f"{name} cannot be fetched without a browser: see {known.page} and {known.by_hand}",
            f"then 'facecli data get {name} --from PATH'",
        )
    folder = place / known.folder
    _check_origin(folder, files[0].file_name)
    if folder.exists() and all((folder / other.file_name).is_file() for other in files[1:]):
        return folder
    was_there = (place / files[0].file_name).is_file()
    first, *others = (_fetched(file, place, on_progress, retry) for file in files)
    try:
        folder = _unpack_dataset(first, known)
    except _DamagedError as error:
        if was_there and not files[0].sha256:
            raise DataError(
                f"{error.said}; delete it, and run the same command to download it again"
            ) from error
        first.unlink(missing_ok=True)
        said = f"{error.said}: what was fetched is not a complete archive"
        raise DataError(f"{said}; nothing of it was kept") from error
    for other in others:
        shutil.copyfile(other, folder / other.name)
    return folder


def _check_origin(folder: Path, archive_name: str) -> None:
    """Raises InputError, before anything is fetched, when a folder cannot be of an archive of that name."""
    try:
        is_of_it = (folder / MARKER).read_text(encoding="utf-8").startswith(f"{archive_name} ")
    except (OSError, ValueError):
        is_of_it = False
    if folder.exists() and not is_of_it:
        raise _other_origin(folder, archive_name)


def _other_origin(folder: Path, archive_name: str) -> InputError:
    return InputError(
        f"{folder} exists already and was not unpacked from this {archive_name}; "
        "give that folder instead of the archive, or move it away"
    )


def _unpack_dataset(archive: Path, known: PublicDataset) -> Path:
    """As `unpack` does; an archive without a file of such a set is none."""
    was_there = (paths.data_dir() / known.folder).exists()
    folder = unpack([archive], known.folder)
    files = (path for path in folder.rglob("*") if path.name != MARKER and path.is_file())
    if any(path.match(pattern) for path in files for pattern in known.holds):
        return folder
    is_empty = all(one.name == MARKER for one in folder.iterdir())
    if not was_there and folder.parent == paths.data_dir():
        shutil.rmtree(folder, ignore_errors=True)
    if is_empty:
        raise _DamagedError(f"{archive} holds no files")
    raise InputError(
        f"{archive} is not {known.title.partition(':')[0]}: no {' or '.join(known.holds)} is in it"
    )


def _called(url: str) -> str:
    name = url.partition("?")[0].rpartition("/")[2]
    return name if archive_stem(Path(name)) else ""


def _fetched(
    file: PublishedFile,
    place: Path,
    on_progress: Callable[[str, int, int | None], None],
    retry: RetryPolicy,
) -> Path:
    """The file in the data folder, fetched when it is not there; its addresses are tried in turn."""
    target = place / file.file_name
    if target.is_file() and file.problem(target) is None:
        return target
    missing: list[str] = []
    for url in file.urls:
        try:
            return fetch_file(file, url, target, partial(on_progress, file.file_name), retry)
        except NotFoundError as error:
            missing.append(str(error))
    raise DownloadError("; ".join(missing), "use --from PATH for an archive that you already have")


class _DamagedError(DataError):
    """An archive is not what it should be; `said` says that without a remedy."""

    def __init__(self, said: str) -> None:
        super().__init__(f"{said}; download it again")
        self.said = said


@dataclass
class _Budget:
    """What may still be written."""

    files: int
    size: int


def archive_stem(path: Path) -> str | None:
    """The file's name without the archive suffix; None when it is no archive by its name."""
    name = Path(path).name
    for suffix in SUFFIXES:
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return None


def unpack(archives: list[Path], name: str, progress: bool = True) -> Path:
    """Unpacks archives into one new folder of the data folder; a folder they filled before is reused.

    So is one that lies beside them, where earlier versions unpacked.

    Args:
        archives: at least one; of several, each gets a folder of its own in the new folder.
        name: of the new folder.
        progress: draw a bar on stderr.

    Raises:
        DataError: damaged, encrypted, too large, or holding a link, a device or a path that
            leaves the folder.
        InputError: a folder of that name is there and did not come from these archives.
        OutputError: the folder cannot be written.
    """
    contents = "".join(f"{archive.name} {archive.stat().st_size}\n" for archive in archives)
    folder, beside = paths.data_dir() / name, archives[0].absolute().parent / name
    if _came_from(beside, contents):
        return beside
    if folder.exists():
        if _came_from(folder, contents):
            return folder
        raise _other_origin(folder, archives[0].name)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _new_folder(folder) as temporary:
            budget = _Budget(MAX_FILES, MAX_UNPACKED_BYTES)
            for archive in archives:
                inner = (archive_stem(archive) or archive.name) if len(archives) > 1 else ""
                _unpack_one(archive, temporary / inner, budget, progress)
            (temporary / MARKER).write_text(contents, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot unpack to {folder}: {error.strerror or error}") from error
    log.info("unpacked %s to %s", ", ".join(archive.name for archive in archives), folder)
    return folder


def _came_from(folder: Path, contents: str) -> bool:
    marker = folder / MARKER
    try:
        return marker.read_text(encoding="utf-8") == contents
    except (OSError, ValueError):
        return False


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder that becomes `folder` when the block succeeds and vanishes when not."""
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield temporary
        temporary.chmod(0o755)  # mkdtemp makes it private
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _unpack_one(archive: Path, target: Path, budget: _Budget, progress: bool) -> None:
    columns = ("{task.description}", BarColumn(), DownloadColumn(), TimeRemainingColumn())
    bar = Progress(
        *columns, console=stderr_console(), transient=True, disable=not (progress and bars_wanted())
    )
    target.mkdir(parents=True, exist_ok=True)
    with open(archive, "rb") as file, bar:
        task = bar.add_task(f"unpacking {archive.name}", total=archive.stat().st_size)
        # What is fetched from an address without a name may be of either kind.
        is_zip = archive.name.lower().endswith(".zip") or file.read(4) == b"PK\3\4"
        file.seek(0)
        members = _zip_members if is_zip else _tar_members
        try:
            for name, content in members(file, archive):
                _write_member(target / _inner_path(name, archive), content, budget, archive)
                bar.update(task, completed=file.tell())
        except _DAMAGED as error:
            raise _DamagedError(f"{archive} is damaged ({error})") from error


def _tar_members(file: IO[bytes], archive: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    """(name, content) of each member, None for a folder."""
    with tarfile.open(fileobj=file, mode="r|*") as tar:
        for member in tar:
            if not (member.isdir() or member.isreg()):
                raise DataError(f"{archive} holds a link or a device ('{member.name}'); it was not unpacked")
            yield member.name, tar.extractfile(member)


def _zip_members(file: IO[bytes], archive: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    with zipfile.ZipFile(file) as packed:
        for member in packed.infolist():
            kind = member.external_attr >> 16 & 0o170000
            if kind not in (0, 0o100000, 0o040000):
                raise DataError(
                    f"{archive} holds a link or a device ('{member.filename}'); it was not unpacked"
                )
            if member.flag_bits & 1:
                raise DataError(f"{archive} is encrypted; unpack it yourself and give the folder")
            if member.is_dir():
                yield member.filename, None
                continue
            with packed.open(member) as content:
                yield member.filename, content


def _inner_path(name: str, archive: Path) -> Path:
    path = PurePosixPath(name)
    if (
        path.is_absolute()
        or ".." in path.parts
        or "\\" in name
        or "\0" in name
        or PureWindowsPath(name).drive
    ):
        raise DataError(f"{archive} holds a path that leaves its folder ('{name}'); it was not unpacked")
    return Path(*path.parts)


def _write_member(path: Path, content: IO[bytes] | None, budget: _Budget, archive: Path) -> None:
    budget.files -= 1
    if content is None:
        path.mkdir(parents=True, exist_ok=True)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as file:
            while budget.size >= 0 and (chunk := content.read(_CHUNK)):
                budget.size -= len(chunk)
                file.write(chunk)
    if budget.files < 0 or budget.size < 0:
        raise DataError(
            f"{archive} holds more than {MAX_FILES:,} files or {MAX_UNPACKED_BYTES >> 30} GB; "
            "unpack it yourself and give the folder"
        )

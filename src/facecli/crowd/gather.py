"""Rows become people: each face of a picture is one, and each track of a video."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from facecli.core.faces import Face, FrameResult
from facecli.crowd.rows import Row
from facecli.sinks.summary import People, Person


@dataclass(slots=True)
class Subject:
    """One of the crowd.

    Attributes:
        file: the file of rows, as given.
        source: picture, clip or camera, as the row calls it.
        person: what all frames say together.
        box_xyxy: the largest box that shows this person, pixels.
        time_s: when that was, seconds; 0 in a picture.
        face: number of the face within its picture, from 1; None in a video.
        track: number of the track within its video; None in a picture.
    """

    file: str
    source: str
    person: Person
    box_xyxy: tuple[int, int, int, int]
    time_s: float = 0.0
    face: int | None = None
    track: int | None = None


@dataclass
class Crowd:
    """Everybody, and what was counted on the way.

    Attributes:
        subjects: in the order in which they came.
        pictures: rows of pictures that could be analysed, faces or not.
        frames: rows of videos.
        videos: runs of a clip or a camera.
        failed: rows with `error`; nobody of them is here.
        rejected: faces that the model took for none; nor of these.
        untracked: faces of videos that belong to no track; nor of these.
        again: pictures that had another row before: their faces count once more.
    """

    subjects: list[Subject] = field(default_factory=list)
    pictures: int = 0
    frames: int = 0
    videos: int = 0
    failed: int = 0
    rejected: int = 0
    untracked: int = 0
    again: int = 0

    @property
    def tracks(self) -> int:
        """How many of the subjects are of videos."""
        return sum(subject.track is not None for subject in self.subjects)


class _Video:
    """One run of one source: its tracks are people."""

    def __init__(self) -> None:
        self.people = People()
        self.last_frame = -1
        self.subjects: dict[int, Subject] = {}

    def see(self, row: Row) -> list[Subject]:
        """Takes the next frame; gives who is new."""
        result, new = row.result, []
        self.last_frame = result.frame
        self.people.see(result.faces, result.time_s)
        for face in result.faces:
            if face.rejected or face.track is None:
                continue
            subject = self.subjects.get(face.track)
            if subject is None:
                person = self.people.by_track[face.track]
                subject = Subject(row.file, result.source, person, face.box_xyxy, track=face.track)
                subject.time_s = result.time_s
                self.subjects[face.track] = subject
                new.append(subject)
            elif _area(face.box_xyxy) > _area(subject.box_xyxy):
                subject.box_xyxy, subject.time_s = face.box_xyxy, result.time_s
        return new


class _Gatherer:
    def __init__(self) -> None:
        self.crowd = Crowd()
        self._videos: dict[tuple[str, str], _Video] = {}
        self._pictures: set[str] = set()
        self._faceless: set[tuple[str, str]] = set()

    def take(self, row: Row) -> None:
        if row.result.error is not None:
            self.crowd.failed += 1
            return
        self.crowd.rejected += sum(face.rejected for face in row.result.faces)
        if _is_of_video(row.result) or (row.file, row.result.source) in self._videos:
            self._take_frame(row)
        else:
            self._take_picture(row)

    def _take_picture(self, row: Row) -> None:
        source, faces = row.result.source, row.result.faces
        self.crowd.pictures += 1
        self.crowd.again += source in self._pictures
        self._pictures.add(source)
        if not faces:
            self._faceless.add((row.file, source))
        for number, face in enumerate(faces, start=1):
            if not face.rejected:
                person = _person_of(face)
                self.crowd.subjects.append(Subject(row.file, source, person, face.box_xyxy, face=number))

    def _take_frame(self, row: Row) -> None:
        key = row.file, row.result.source
        video = self._videos.get(key)
        if video is None and key in self._faceless:
            # The first frame of a video that shows nobody looks like a picture.
            self.crowd.pictures -= 1
            self.crowd.frames += 1
        if video is None or row.result.frame <= video.last_frame:
            # Going back means another run, whose tracks are other people.
            video = self._videos[key] = _Video()
            self.crowd.videos += 1
        self.crowd.frames += 1
        self.crowd.untracked += sum(face.track is None and not face.rejected for face in row.result.faces)
        self.crowd.subjects += video.see(row)


def gather(rows: Iterable[Row]) -> Crowd:
    """Everybody whom the rows show; memory grows with people and pictures, not with frames."""
    gatherer = _Gatherer()
    for row in rows:
        gatherer.take(row)
    return gatherer.crowd


def _is_of_video(result: FrameResult) -> bool:
    return result.frame > 0 or result.time_s > 0 or any(face.track is not None for face in result.faces)


def _person_of(face: Face) -> Person:
    person = Person(0.0)
    person.see(face, 0.0)
    return person


def _area(box_xyxy: tuple[int, int, int, int]) -> int:
    x_min, y_min, x_max, y_max = box_xyxy
    return max(x_max - x_min, 0) * max(y_max - y_min, 0)

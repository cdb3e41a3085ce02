"""Tracks in a file: what was written is read again, edited files are checked, boxes lie where faces were."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.core.errors import InputError
from facecli.core.faces import Face
from facecli.live.saved_tracks import SavedTracks, TrackRecorder, load_tracks, parse_tracks

PICTURE = np.full((60, 80, 3), 120, np.uint8)


def two_people(image_rgb, time_s):
    """One who walks, from the start, and one who comes later; and a face that nobody follows, twice."""
    left = int(10 * time_s)
    faces = [Face((left, 5, left + 20, 25), 0.9, 30.0, track=1, quality=0.5)]
    if time_s >= 1:
        faces.append(Face((50, 30, 70, 50), 0.8, track=2))
        faces += [Face((0, 40, 9, 49), 0.3), Face((70, 0, 79, 9), 0.3)]
    return faces


@pytest.fixture
def path(tmp_path):
    target = tmp_path / "tracks.json"
    with TrackRecorder(two_people, target, "clip.mp4") as recorder:
        for number in range(8):
            assert recorder.analyze(PICTURE, number / 4) == two_people(PICTURE, number / 4)
    return target


def boxes_at(tracks, time_s):
    return {(face.track, face.box_xyxy) for face in tracks.analyze(PICTURE, time_s)}


def test_a_clip_without_faces_has_no_tracks(tmp_path):
    target = tmp_path / "tracks.json"
    with TrackRecorder(lambda image_rgb, time_s: [], target, "clip.mp4") as recorder:
        recorder.analyze(PICTURE, 0.0)
    assert json.loads(target.read_text())["tracks"] == []
    assert load_tracks(target).numbers == set()
    assert load_tracks(target).analyze(PICTURE, 0.0) == []
    assert list(tmp_path.iterdir()) == [target]


def test_what_was_written_is_read_again(path):
    tracks = load_tracks(path)
    assert tracks.numbers == {0, 1, 2}
    for number in range(8):
        expected = {(face.track, face.box_xyxy) for face in two_people(PICTURE, number / 4)}
        assert boxes_at(tracks, number / 4) == expected


def test_people_can_read_it(path):
    document = json.loads(path.read_text())
    assert document["source"] == "clip.mp4"
    first = document["tracks"][1]
    assert (first["track"], first["first_s"], first["last_s"], first["age_years"]) == (1, 0.0, 1.75, 30.0)
    assert (path.parent / first["thumbnail"]).read_bytes()[:2] == b"\xff\xd8"
    assert len(path.read_text().splitlines()) < 12


def test_between_two_boxes_a_face_is_between_them(path):
    (face,) = load_tracks(path).chosen(only={1}).analyze(PICTURE, 0.625)
    assert face.box_xyxy == (6, 5, 26, 25)


def test_before_after_and_in_long_gaps_there_is_nobody():
    tracks = SavedTracks({1: np.array([[1, 0, 0, 9, 9], [1.2, 0, 0, 9, 9], [5, 0, 0, 9, 9]])})
    assert [len(tracks.analyze(PICTURE, time_s)) for time_s in (0.5, 1.1, 3, 5, 5.1)] == [0, 1, 0, 1, 0]


def test_some_are_chosen_or_left_out(path):
    tracks = load_tracks(path)
    assert tracks.chosen(only={2}).numbers == {2}
    assert tracks.chosen(but={2}).numbers == {0, 1}
    assert tracks.chosen().numbers == {0, 1, 2}
    with pytest.raises(InputError, match="no track 7; there are 0, 1, 2"):
        tracks.chosen(but={7})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "has no list 'tracks'"),
        ('{"tracks": 3}', "has no list 'tracks'"),
        ('{"tracks": [3]}', r"tracks\[0\] has no number 'track'"),
        ('{"tracks": [{"track": true}]}', r"tracks\[0\] has no number 'track'"),
        ('{"tracks": [{"track": 1, "boxes": [[1, 2]]}]}', "not lists of a time and four sides"),
        ('{"tracks": [{"track": 1, "boxes": [["a", 2, 3, 4, 5]]}]}', "not lists of a time and four sides"),
        ('{"tracks": [{"track": 1, "boxes": [[1e999, 2, 3, 4, 5]]}]}', "contain an invalid number"),
        ('{"tracks": [{"track": 1, "boxes": [[1, 2, 3, 4, 1e30]]}]}', "contain an invalid number"),
    ],
)
def test_edited_files_are_checked(tmp_path, content, words):
    path = tmp_path / "edited.json"
    path.write_text(content)
    with pytest.raises(InputError, match=words) as caught:
        load_tracks(path)
    assert "edited.json" in str(caught.value) and "\n" not in str(caught.value)


def test_tracks_that_are_no_file_are_one_line(tmp_path):
    with pytest.raises(InputError, match="cannot read"):
        load_tracks(tmp_path / "nowhere.json")


def test_a_track_may_stand_twice_and_without_boxes(tmp_path):
    path = tmp_path / "edited.json"
    rows = [{"track": 1, "boxes": [[2, 0, 0, 9, 9]]}, {"track": 1, "boxes": [[1, 0, 0, 5, 5]]}, {"track": 3}]
    path.write_text(json.dumps({"tracks": rows}))
    tracks = load_tracks(path)
    assert tracks.numbers == {1, 3}
    assert boxes_at(tracks, 1.0) == {(1, (0, 0, 5, 5))}


@given(st.sets(st.integers(0, 500), min_size=1))
def test_numbers_of_tracks_are_read_as_written(numbers):
    assert parse_tracks(", ".join(map(str, numbers))) == numbers


def test_ranges_of_tracks():
    assert parse_tracks("1,3-5") == {1, 3, 4, 5}
    with pytest.raises(InputError, match="'3-1' is reversed; write 1-3"):
        parse_tracks("3-1")
    for wrong in ("", "a", "1-", "-1", "1,,2", "5-x", "9" * 6):
        with pytest.raises(InputError, match="names no tracks"):
            parse_tracks(wrong)


def test_what_editors_do_to_a_file_is_borne(tmp_path):
    path = tmp_path / "edited.json"
    rows = [{"track": 1, "boxes": [[0, 50, 40, 10, 20]]}]
    path.write_text(json.dumps({"tracks": rows}), encoding="utf-8-sig")
    assert boxes_at(load_tracks(path), 0.0) == {(1, (10, 20, 50, 40))}


def test_many_unknown_tracks_are_counted():
    with pytest.raises(InputError, match="no track 1, 2, 3, 4, 5 and 94 more; there are none"):
        SavedTracks({}).chosen(only=range(1, 100))


def test_where_few_frames_were_looked_at_boxes_hold_until_the_next():
    tracks = SavedTracks({1: np.array([[2, 0, 0, 9, 9], [4, 2, 0, 11, 9]])}, step_s=2.0)
    found = [[face.box_xyxy[0] for face in tracks.analyze(PICTURE, t)] for t in (0, 0.1, 2, 3, 5.9, 6)]
    assert found == [[], [0], [0], [1], [2], []]


def test_pictures_of_another_size_are_refused():
    with pytest.raises(InputError, match="of a clip of 640x360, this one is 80x60"):
        SavedTracks({}, 0.0, (640, 360)).analyze(PICTURE, 0.0)

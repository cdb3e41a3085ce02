"""Rows as every version since the first wrote them: read by all commands, and written anew as today's."""

import io
import json

import pytest
from test_schema import problems

from facecli.core.faces import Face, FrameResult, head_pose
from facecli.crowd.gather import gather
from facecli.crowd.rows import Reading, parse_row, read_rows, upgraded

RACES = '{"white": 0.9343, "black": 0.0114, "asian": 0.004, "indian": 0.0091, "other": 0.0413}'
BOX = '"box_xyxy": [177, 66, 274, 163], "detector_confidence": 0.9337'
AGE = '"age_years": 36.2, "age_interval_90": [25, 50], "age_group": "30-39"'
LABELS = (
    f'"gender": "female", "gender_probabilities": {{"male": 0.0465, "female": 0.9535}}, "race": "white", '
    f'"race_probabilities": {RACES}'
)
EMOTION = (
    '"emotion": "happy", "emotion_probabilities": {"angry": 0.0, "disgust": 0.0, "fear": 0.0, "happy": 0.9, '
    '"neutral": 0.1, "sad": 0.0, "surprise": 0.0}'
)
RACE_7 = (
    '"race_7": "white", "race_7_probabilities": {"white": 0.9343, "black": 0.0114, "latino_hispanic": 0.02, '
    '"east_asian": 0.002, "southeast_asian": 0.002, "indian": 0.0091, "middle_eastern": 0.0213}'
)
POINTS = "[[204.5, 100.8], [247.5, 104.5], [221.4, 126.1], [202.6, 141.3], [241.8, 144.7]]"
NOW = ', "model": "normal_model", "facecli": "0.1.0"'


def line(source, face="", frame=0, error="null", more=""):
    """A row as text: nothing of today's code writes it."""
    return (
        f'{{"source": "{source}", "frame": {frame}, "time_s": {frame / 25}, "width": 512, "height": 512, '
        f'"faces": [{face and f"{{{face}}}"}], "error": {error}{more}}}'
    )


OLD = {
    "2026-11-24, the first": line("a.png", f"{BOX}, {AGE}, {LABELS}"),
    "2026-11-24, an error": line("b.png", error='"no picture"').replace("512", "null"),
    "2026-11-25, a track and emotions": line(
        "c.mp4",
        f'"track": 1, {BOX}, "face_probability": 0.98, "rejected": false, {AGE}, {LABELS}, {EMOTION}',
        frame=3,
    ),
    "2026-11-25, no face": line("d.png", f'{BOX}, "face_probability": 0.1, "rejected": true'),
    "2026-11-25, bands and models": line(
        "e.png",
        f'{BOX}, {AGE}, "age_band": "25-49", "age_band_probability": 0.9, {LABELS}, '
        f'"models": {{"facenet_model": {{{AGE}, {LABELS}}}, "normal_model": {{{AGE}}}}}',
    ),
    "2026-11-29, seven races": line("f.png", f"{BOX}, {AGE}, {LABELS}, {RACE_7}"),
    "2026-11-30, the model": line("g.png", f"{BOX}, {AGE}, {LABELS}", more=NOW),
    "2026-11-30, landmarks": line(
        "h.png", f'{BOX}, "landmarks": {POINTS}, "roll_degrees": 4.9, {AGE}, {LABELS}', more=NOW
    ),
}
FIRST = OLD["2026-11-24, the first"]


def upgraded_lines(*lines, model=None):
    stdin = io.BytesIO("\n".join(lines).encode())
    return [upgraded(row, model) for row in read_rows(["-"], Reading(), stdin)]


@pytest.mark.parametrize("old_line", OLD.values(), ids=OLD)
def test_every_version_is_read_as_it_was_meant(old_line):
    row, result = json.loads(old_line), parse_row(old_line)
    assert (result.source, result.frame, result.error) == (row["source"], row["frame"], row["error"])
    assert [face.rejected for face in result.faces] == [face.get("rejected", False) for face in row["faces"]]
    for face, written in zip(result.faces, row["faces"], strict=True):
        assert (face.age_years, face.gender) == (written.get("age_years"), written.get("gender"))


def test_rows_of_all_versions_are_one_crowd():
    lines = "\n".join(OLD.values()).encode()
    crowd = gather(read_rows(["-"], Reading(), io.BytesIO(lines)))
    assert (len(crowd.subjects), crowd.failed, crowd.rejected, crowd.videos) == (6, 1, 1, 1)


@pytest.mark.parametrize("old_line", OLD.values(), ids=OLD)
def test_upgraded_rows_pass_the_schema_of_today_and_hold_the_numbers_of_then(old_line):
    (new,) = upgraded_lines(old_line)
    old = json.loads(old_line)
    assert problems(new) == []
    assert list(new)[:8] == list(FrameResult("", 1, 1).to_json())[:8]
    assert {key: new[key] for key in old if key != "faces"} == {
        key: old[key] for key in old if key != "faces"
    }
    for face, before in zip(new["faces"], old["faces"], strict=True):
        assert {key: face[key] for key in before} == before


def test_upgrading_twice_changes_nothing_and_a_row_of_today_stays_as_it_is():
    face = Face(
        (1, 2, 30, 40), 0.9, 31.0, (20, 40), landmarks=tuple(map(tuple, json.loads(POINTS))), quality=0.7
    )
    today = FrameResult("a.png", 100, 90, (face,), model="facenet_model").to_json()
    assert upgraded_lines(json.dumps(today)) == [today]
    once = upgraded_lines(*OLD.values())
    assert upgraded_lines(*map(json.dumps, once)) == once


def test_the_model_is_named_where_no_row_names_one():
    new = upgraded_lines(FIRST, OLD["2026-11-30, the model"], model="facenet_model")
    assert [row["model"] for row in new] == ["facenet_model", "normal_model"]
    assert [row["model"] for row in upgraded_lines(FIRST)] == [None]


def test_a_pose_follows_from_landmarks_and_what_was_written_of_it_stands():
    (new,) = upgraded_lines(OLD["2026-11-30, landmarks"])
    pose = head_pose(json.loads(POINTS))
    assert new["faces"][0]["yaw_degrees"] == round(pose.yaw, 1)
    assert new["faces"][0]["pitch_degrees"] == round(pose.pitch, 1)
    assert new["faces"][0]["roll_degrees"] == 4.9 != round(pose.roll, 1)
    keys = list(new["faces"][0])
    assert keys[2:6] == ["landmarks", "roll_degrees", "yaw_degrees", "pitch_degrees"]


@pytest.mark.parametrize(
    "points",
    ["null", "[]", "7", "[1, 2, 3, 4, 5]", POINTS.replace("204.5", '"x"'), POINTS.replace("204.5, ", "")],
)
def test_what_are_no_landmarks_is_no_pose_and_no_error(points):
    (new,) = upgraded_lines(OLD["2026-11-30, landmarks"].replace(POINTS, points))
    assert "yaw_degrees" not in new["faces"][0] and new["faces"][0]["landmarks"] == json.loads(points)


def test_the_smallest_row_gets_what_every_row_has_and_unknown_keys_stay():
    (new,) = upgraded_lines('{"mine": [1], "source": "a", "faces": []}')
    assert new == {
        "source": "a", "frame": 0, "time_s": 0.0, "width": None, "height": None, "faces": [], "error": None,
        "model": None, "mine": [1],
    }  # fmt: skip

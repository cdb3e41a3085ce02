"""Rows as `facecli run --json` writes them, made from faces."""

import json

import pytest

from facecli.core.faces import Face, FrameResult


def a_face(gender="male", race="white", emotion="happy", age=30.0, track=None, sure=0.9, **more):
    """A face whose classes are as named, each with the probability `sure`."""
    from facecli.core.attributes import CLASS_NAMES

    def spread(head, name):
        names = CLASS_NAMES[head]
        return {one: sure if one == name else (1 - sure) / (len(names) - 1) for one in names}

    chosen = {"gender": gender, "race": race, "emotion": emotion}
    probabilities = {f"{head}_probabilities": spread(head, name) for head, name in chosen.items() if name}
    interval = (max(int(age) - 8, 0), int(age) + 8)
    return Face((10, 20, 60, 90), 0.9, age, interval, track=track, **probabilities, **more)


def a_row(source="a.jpg", *faces, frame=0, time_s=0.0, error=None):
    """A line without its end."""
    return json.dumps(FrameResult(source, 100, 100, tuple(faces), frame, time_s, error).to_json())


@pytest.fixture
def face():
    return a_face


@pytest.fixture
def row():
    return a_row


@pytest.fixture
def rows_file(tmp_path):
    """Writes lines to a file; gives its path."""

    def write(*lines, name="rows.jsonl", end="\n"):
        path = tmp_path / name
        path.write_text("\n".join(lines) + end, encoding="utf-8")
        return str(path)

    return write


@pytest.fixture
def crowd_of(rows_file):
    """The crowd that lines hold."""
    from facecli.crowd.gather import gather
    from facecli.crowd.rows import Reading, read_rows

    return lambda *lines: gather(read_rows([rows_file(*lines)], Reading()))

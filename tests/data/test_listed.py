"""Lists as data sets: fetched once, cut as everywhere, every failure a row of the report."""

import json
import os
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from list_pictures import dataturks, encoded, face_picture, picture_server, write_lines

from facecli.core.crops import CHIP_LANDMARKS
from facecli.core.errors import DataError, InputError
from facecli.core.images import load_image
from facecli.data.chips import CHIP_SIDE, KeptFiles, digest, in_parallel
from facecli.data.groups import add_groups, fingerprints, split_groups
from facecli.data.listed import ListOptions, read_list, survey_list
from facecli.data.sources import load_crops, open_dataset
from facecli.data.statistics import check_trainable
from facecli.data.table import join_tables
from facecli.sources.web import FetchLimits
from facecli.training.prepare import prepare_data

SHORT = FetchLimits(whole_s=0.8, connect_s=0.5)


@pytest.fixture
def server():
    with picture_server() as server:
        yield server


@pytest.fixture
def reports():
    return []


@pytest.fixture
def options(reports):
    """ListOptions that ask this machine, too, and keep the report."""
    return lambda **more: ListOptions(**{"allow_private": True, "tell": reports.append, **more})


@pytest.fixture
def pictures(tmp_path):
    """pictures(3): a folder with 0.jpg to 2.jpg, a face in each."""

    def write(count, folder=None):
        folder = folder or tmp_path / "set"
        folder.mkdir(exist_ok=True)
        for number in range(count):
            (folder / f"{number}.jpg").write_bytes(encoded(face_picture(number)))
        return folder

    return write


def reasons(report):
    return {row.row: row.reason for row in report.left_out}


# --- the whole way --------------------------------------------------------------------------------


def test_120_addresses_of_which_some_fail(tmp_path, server, options, reports, home):
    kinds = {5: "slow", 6: "slow", 7: "slow", 10: "text", 11: "cut", 12: "gone"}
    rows = [dataturks(n, f"{server.url}/{kinds.get(n, 'face')}/{n}.jpg") for n in range(120)]
    path = write_lines(tmp_path / "list.json", rows)
    folder, table = open_dataset(path, lists=options())
    assert folder == home / "data" / "lists" / "list" and len(table.frame) == 117
    (report,) = reports
    assert (report.rows, report.addresses, report.fetched, report.kept) == (120, 120, 117, 0)
    assert report.chips == {"found": 117} and set(reasons(report)) == {11, 12, 13}
    assert "it answers 404" in reasons(report)[13] and "unknown format" in reasons(report)[11]
    assert "it is cut short" in reasons(report)[12]
    assert table.classes == {"glasses": ("no", "yes")}
    for number in (5, 119):
        (chip,) = (file for file in table.frame["file"] if file.split("/")[-1].startswith(f"{number}-"))
        row = table.frame[table.frame["file"] == chip].iloc[0]
        assert row["gender"] == number % 2 and row["glasses"] == number // 3 % 2
        assert (row["age_low"], row["age_years"]) == (20 + number % 3 * 10, -1)
    # Nothing is asked again, whatever came of it.
    assert set(server.asked.values()) == {1}
    again = open_dataset(path, lists=options())[1]
    assert again.frame.equals(table.frame) and again.problems == table.problems
    assert set(server.asked.values()) == {1} and reports[1].kept == 117 and reports[1].fetched == 0
    check_trainable(split_groups(add_groups(table.frame, folder)[0], 1), ["age", "gender"])


KILLED = """
import sys
from facecli.data.listed import ListOptions, read_list
from pathlib import Path
read_list(Path(sys.argv[1]), ListOptions(allow_private=True))
"""


@pytest.mark.skipif(os.name != "posix", reason="kills as POSIX does")
def test_a_killed_run_goes_on_without_fetching_anything_twice(tmp_path, server, options, reports, home):
    path = write_lines(
        tmp_path / "list.json", [dataturks(n, f"{server.url}/face/{n}.jpg") for n in range(120)]
    )
    server.wait_s = 0.05
    run = subprocess.Popen([sys.executable, "-c", KILLED, str(path)])
    end = time.monotonic() + 60
    while sum(server.answered.values()) < 40 and time.monotonic() < end:
        time.sleep(0.01)
    run.send_signal(signal.SIGKILL)
    assert run.wait(10) == -signal.SIGKILL
    kept = [name for name in (home / "data" / "lists" / "fetched").glob("*/*") if name.name[0] != "."]
    assert 20 <= len(kept) < 120 and all(cv2.imread(str(name)) is not None for name in kept)
    server.wait_s = 0.0
    _, table = read_list(path, options())
    assert len(table.frame) == 120 and reports[0].kept == len(kept)
    # What was on its way when it was killed is asked for again, and nothing else.
    twice = {digest(f"{server.url}{name}") for name, count in server.asked.items() if count > 1}
    assert len(twice) <= 8 and not twice & {name.name for name in kept} and max(server.asked.values()) <= 2
    assert [name for name in (home / "data" / "lists").rglob(".*") if name.is_file()] == []


def test_what_failed_is_asked_again_when_that_is_wanted(tmp_path, server, options, reports):
    path = write_lines(tmp_path / "list.json", [dataturks(n, f"{server.url}/slow/{n}.jpg") for n in range(3)])
    server.slow_s = 3.0
    read_list(path, options(limits=SHORT))
    assert set(reasons(reports[0]).values()) == {"it does not answer completely within 0.8 s"}
    server.slow_s = 0.0
    assert read_list(path, options())[1].frame.empty and set(server.asked.values()) == {1}
    assert len(read_list(path, options(retry=True))[1].frame) == 3 and reports[2].fetched == 3


def test_own_machine_is_not_asked_unless_that_is_allowed(tmp_path, server, options, reports):
    path = write_lines(tmp_path / "list.json", [dataturks(0, f"{server.url}/face/0.jpg")])
    assert read_list(path, options(allow_private=False))[1].frame.empty
    assert reports[0].is_private and reasons(reports[0]) == {1: "127.0.0.1 is a private address"}
    assert not server.asked
    # That was no failure of the address.
    assert len(read_list(path, options())[1].frame) == 1


def test_no_password_is_said_or_written(tmp_path, server, options, reports, home):
    host = server.url.removeprefix("http://")
    addresses = [
        f"http://me:hunter2@{host}/a.jpg",
        f"{server.url}/gone/0.jpg?token=hunter2",
        "http://me:hunter2@[",
    ]
    path = write_lines(tmp_path / "list.json", [dataturks(n, one) for n, one in enumerate(addresses)])
    _, table = read_list(path, options())
    assert len(table.problems) == 3 and "hunter2" not in f"{table.problems} {reports[0].left_out}"
    kept = [file.read_text("utf-8") for file in (home / "data").rglob("*") if file.is_file()]
    assert len(kept) == 3 and "hunter2" not in "".join(kept)
    assert not any("hunter2" in str(file) for file in (home / "data").rglob("*"))


def test_an_address_that_rows_share_is_fetched_once_and_lies_in_one_split(tmp_path, server, options):
    boxes = [[20, 40, 170, 190], [30, 50, 160, 180]]
    rows = [{"url": f"{server.url}/face/0.jpg", "age": 30 + n, "box": box} for n, box in enumerate(boxes)]
    folder, table = read_list(write_lines(tmp_path / "list.json", rows), options())
    assert len(table.frame) == 2 and server.asked == {"/face/0.jpg": 1}
    grouped, _ = add_groups(table.frame, folder)
    assert grouped["group"].nunique() == 1 and "photograph" not in grouped


# --- files ----------------------------------------------------------------------------------------


def test_paths_are_relative_to_the_list_and_others_are_read_and_told(tmp_path, pictures, options, reports):
    folder = pictures(2)
    elsewhere = pictures(3, tmp_path / "elsewhere")
    names = [
        "0.jpg",
        "./1.jpg",
        "../elsewhere/1.jpg",
        str(elsewhere / "2.jpg"),
        str(folder / "0.jpg"),
        "9.jpg",
    ]
    path = write_lines(folder / "list.json", [{"file": name, "age": 30 + n} for n, name in enumerate(names)])
    _, table = read_list(path, options())
    assert len(table.frame) == 5 and reasons(reports[0]) == {6: "cannot read it: No such file or directory"}
    (note,) = reports[0].notes
    assert note.startswith("2 pictures lie outside the list's folder, as ../elsewhere/1.jpg")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("s3://bucket/key.jpg", "not read without leave"), ("ftp://h/a.jpg", "only http:// and https://"),
        ("file:///etc/passwd", "only http:// and https://"), ("sub", "is a folder, not a picture file"),
        ("a\0b.jpg", "cannot read it"), ("x" * 300, "cannot read it"), ("text.jpg", "unknown format"),
        ("half.jpg", "it is cut short"), ("http://", "has no host"),
    ],
)  # fmt: skip
def test_what_is_no_picture_is_a_row_of_the_report(pictures, options, reports, name, reason):
    folder = pictures(1)
    (folder / "sub").mkdir()
    (folder / "text.jpg").write_text("no picture")
    (folder / "half.jpg").write_bytes((folder / "0.jpg").read_bytes()[:900])
    path = write_lines(folder / "list.json", [{"file": name, "age": 3}, {"file": "0.jpg", "age": 4}])
    assert len(read_list(path, options())[1].frame) == 1
    (said,) = reasons(reports[0]).values()
    assert reason in said and "\n" not in said


def test_object_storage_is_read_where_that_is_allowed(tmp_path, s3, options, reports):
    s3.put("photos", "a/0.jpg", encoded(face_picture(0)))
    s3.put("photos", "text.jpg", b"no picture")
    names = [
        "s3://photos/a/0.jpg",
        "s3://photos/none.jpg",
        "s3://photos/text.jpg",
        "s3://",
        "s3://me:key@x/0.jpg",
    ]
    path = write_lines(tmp_path / "list.json", [{"file": name, "age": 30} for name in names])
    assert read_list(path, options())[1].frame.empty
    assert reports[0].is_stored and set(reasons(reports[0]).values()) == {
        "pictures in object storage are not read without leave"
    }
    assert not s3.asked

    _, table = read_list(path, options(allow_storage=True))
    said = reasons(reports[1])
    assert len(table.frame) == 1 and sorted(said) == [2, 3, 4, 5]
    assert reports[1].fetched == 1 and not reports[1].is_stored and "key@" not in "".join(said.values())
    asked = len(s3.asked)
    read_list(path, options(allow_storage=True))
    assert reports[2].kept == 1 and len(s3.asked) == asked


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
def test_a_pipe_is_not_waited_for(pictures, options, reports):
    folder = pictures(1)
    os.mkfifo(folder / "pipe.jpg")
    path = write_lines(
        folder / "list.json", [{"file": "pipe.jpg", "age": 3}, {"file": "/dev/zero", "age": 3}]
    )
    assert read_list(path, options())[1].frame.empty
    assert [row.reason for row in reports[0].left_out] == [
        "it is a pipe, not a picture file",
        "it is a device, not a picture file",
    ]


def test_rows_without_a_label_are_not_fetched(tmp_path, server, options, reports):
    rows = [{"url": f"{server.url}/face/0.jpg", "age": "old"}, {"url": f"{server.url}/face/1.jpg"}]
    with pytest.raises(DataError, match="it has no label that is understood"):
        open_dataset(write_lines(tmp_path / "list.json", rows), lists=options())
    assert not server.asked and {str(label) for label in reports[0].unknown} == {"age:old"}


def test_repeated_rows_are_told_and_contradictions_are_settled(pictures, options, reports):
    folder = pictures(2)
    rows = [{"file": "0.jpg", "age": 30}, {"file": "0.jpg", "age": 30}, {"file": "./0.jpg", "age": 40}]
    path = write_lines(folder / "list.json", [*rows, {"file": "1.jpg", "age": 50}])
    found, table = read_list(path, options())
    assert len(table.frame) == 3 and reasons(reports[0]) == {2: "a row before it says the same"}
    frame, conflicts = add_groups(table.frame, found)
    assert conflicts[0].values == (30, 40) and sorted(frame["age_years"]) == [30, 30, 50]


# --- faces ----------------------------------------------------------------------------------------


def eyes_of(chip_file):
    """Where the eyes lie in a chip, in fractions of its side."""
    from facecli.detect.registry import build_detector

    found = build_detector("cnn").detect(load_image(chip_file))
    return found.landmarks[0, :2] / CHIP_SIDE


@pytest.mark.parametrize("turn", [0, 30, 180])
@pytest.mark.parametrize("way", ["auto", "box"])
def test_faces_are_cut_upright(tmp_path, astronaut, options, turn, way):
    matrix = cv2.getRotationMatrix2D((224, 120), turn, 1.0)
    image = cv2.warpAffine(astronaut, matrix, (512, 512), borderMode=cv2.BORDER_REPLICATE)
    (tmp_path / "a.png").write_bytes(encoded(image, ".png"))
    row = {"file": "a.png", "age": 40, **({"box": [177, 69, 272, 164]} if way == "box" else {})}
    folder, table = read_list(write_lines(tmp_path / "list.json", [row]), options(faces=way))
    chip = load_image(folder / table.frame["file"][0])
    assert chip.shape == (CHIP_SIDE, CHIP_SIDE, 3)
    assert np.abs(eyes_of(folder / table.frame["file"][0]) - CHIP_LANDMARKS[:2]).max() < 0.08
    crops = load_crops(table.frame, folder, (64, 64))
    assert (
        np.abs(crops[0] - cv2.resize(chip, (64, 64), interpolation=cv2.INTER_AREA).astype(float)).mean() < 2
    )


def test_a_box_in_fractions_is_the_same_face(pictures, options):
    folder = pictures(1)
    boxes = ([20, 40, 170, 190], [20 / 320, 40 / 240, 170 / 320, 190 / 240])
    rows = [{"file": "0.jpg", "age": 30 + n, "box": box} for n, box in enumerate(boxes)]
    found, table = read_list(write_lines(folder / "list.json", rows), options())
    one, other = (load_image(found / file).astype(float) for file in table.frame["file"])
    assert np.abs(one - other).mean() < 2


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ([900, 900, 990, 990], "the box lies outside"),
        ([5, 5, 9, 9], "hardly larger than a dot"),
        (None, "it has no box"),
    ],
)
def test_boxes_without_a_face(pictures, options, reports, box, reason):
    folder = pictures(1)
    path = write_lines(folder / "list.json", [{"file": "0.jpg", "age": 30, "box": box}])
    assert read_list(path, options(faces="box"))[1].frame.empty
    assert reason in reasons(reports[0])[1]


def test_no_face_and_two_alike(tmp_path, options, reports):
    (tmp_path / "none.png").write_bytes(encoded(np.full((200, 200, 3), 90, np.uint8), ".png"))
    both = np.hstack([face_picture(0), face_picture(1)])
    (tmp_path / "two.png").write_bytes(encoded(both, ".png"))
    far = np.hstack([face_picture(0), np.pad(face_picture(1)[::3, ::3], ((0, 160), (0, 0), (0, 0)))])
    (tmp_path / "far.png").write_bytes(encoded(far, ".png"))
    rows = [{"file": f"{name}.png", "age": 30} for name in ("none", "two", "far")]
    _, table = read_list(write_lines(tmp_path / "list.json", rows), options())
    assert reasons(reports[0]) == {
        1: "no face was found",
        2: "2 faces of like size were found; give the box of the one that is meant",
    }
    assert len(table.frame) == 1
    # The reason is kept like a chip.
    assert len(read_list(tmp_path / "list.json", options())[1].problems) == 2


def test_whole_pictures_and_what_is_no_face(tmp_path, options, reports):
    (tmp_path / "wall.png").write_bytes(encoded(np.full((200, 100, 3), 90, np.uint8), ".png"))
    (tmp_path / "face.jpg").write_bytes(encoded(face_picture(3)))
    rows = [{"file": "wall.png", "face": "no"}, {"file": "face.jpg", "age": 30}]
    _, table = read_list(write_lines(tmp_path / "list.json", rows), options())
    assert reports[0].chips == {"whole": 1, "found": 1}
    assert dict(zip(table.frame["age_years"], table.frame["face"], strict=True)) == {-1: 0, 30: 1}
    read_list(tmp_path / "list.json", options(faces="whole"))
    assert reports[1].chips == {"whole": 2}


def test_an_unknown_way(tmp_path, pictures):
    path = write_lines(pictures(1) / "list.json", [{"file": "0.jpg", "age": 3}])
    with pytest.raises(InputError, match="unknown value of faces 'all'"):
        read_list(path, ListOptions(faces="all"))


# --- tables ---------------------------------------------------------------------------------------


def test_an_attribute_of_ones_own_goes_through_everything(pictures, utkface, options):
    folder = pictures(60)
    rows = [
        {"file": f"{n}.jpg", "age": 20 + n % 50, "gender": "MF"[n % 2], "glasses": ["no", "yes"][n // 2 % 2]}
        for n in range(60)
    ]
    del rows[7]["glasses"]
    path = write_lines(folder / "mine.jsonl", rows)
    found, table = open_dataset(path, lists=options())
    assert table.classes == {"glasses": ("no", "yes")} and table.frame["glasses"].dtype == np.int64
    assert sorted(table.frame["glasses"].value_counts().to_dict()) == [-1, 0, 1]
    mine = split_groups(add_groups(table.frame, found)[0], 1)
    chips = utkface(60)
    other = split_groups(add_groups(open_dataset(chips)[1].frame, chips)[0], 1)
    prints = [fingerprints(mine, found), fingerprints(other, chips)]
    for tables in ([(found, mine), (chips, other)], [(chips, other), (found, mine)]):
        joined = join_tables(tables, prints, attributes=["glasses"])
        assert joined["glasses"].dtype == np.int64 and len(joined) == 120
        assert (joined["glasses"] == -1).sum() == 61 and (joined["glasses"] == 1).sum() == 29
    data = prepare_data([path, chips], 1, lists=options())
    assert list(data.sets) == ["mine", "UTKFace"] and data.frame["glasses"].dtype == np.int64
    assert data.crops((32, 32)).shape == (120, 32, 32, 3)


def test_the_way_that_gives_chips_again_does_not_depend_on_the_order_of_rows(pictures, options):
    folder = pictures(5)
    rows = [{"file": f"{n}.jpg", "age": 20 + n} for n in range(5)]
    _, one = read_list(write_lines(folder / "list.json", rows), options())
    _, other = read_list(write_lines(folder / "list.json", rows[::-1]), options())
    assert one.frame.drop(columns="photograph").equals(other.frame.drop(columns="photograph"))


def test_a_survey_looks_at_no_picture(tmp_path, options, home):
    path = write_lines(tmp_path / "list.json", [{"url": "http://127.0.0.1:9/a.jpg", "age": 3}] * 3)
    report = survey_list(path, options())
    assert (report.rows, report.pictures, report.counts["age"]) == (3, 1, {"0-9": 3})
    assert not (home / "data").exists()


def test_a_table_of_a_known_layout_is_no_list(tmp_path, write_picture):
    write_picture(tmp_path / "val" / "1.jpg", 1)
    table = tmp_path / "fairface_label_val.csv"
    table.write_text("file,age,gender,race\nval/1.jpg,20-29,Male,White\n")
    assert open_dataset(table)[1].frame["source"].tolist() == ["fairface"]


# --- what is kept ---------------------------------------------------------------------------------


def test_kept_files_are_whole_or_not_there(tmp_path):
    store = KeptFiles(tmp_path, ".bin")
    assert store.find("ab12") is None
    assert store.refuse("ab12", "not today") == "not today" == store.find("ab12")
    path = store.keep("ab12", b"data")
    assert store.find("ab12") == path and path.read_bytes() == b"data" and path.parent.name == "12"
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["ab12.bin"]


@given(st.lists(st.integers(), max_size=60), st.integers(1, 5))
def test_work_in_parallel_keeps_the_order(items, workers):
    assert in_parallel([lambda one: one * 2] * workers, items, "doubling") == [one * 2 for one in items]


def test_an_error_of_the_work_ends_it():
    def fail(item):
        raise ValueError(item)

    with pytest.raises(ValueError, match="1"):
        in_parallel([fail], [1], "failing")


def test_the_report_can_be_written_as_json(pictures, options, reports):
    path = write_lines(pictures(1) / "list.json", [{"file": "9.jpg", "age": 3}, {"file": "0.jpg", "age": 3}])
    read_list(path, options())
    (row,) = reports[0].left_out
    assert json.loads(json.dumps(row._asdict())) == {
        "row": 1,
        "picture": "9.jpg",
        "reason": "cannot read it: No such file or directory",
    }

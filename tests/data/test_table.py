import pytest

from facecli.core.errors import InputError
from facecli.data.layouts.utkface import parse_utkface_name, read_utkface
from facecli.data.table import COLUMNS, build_table


def test_folder_without_pictures_gives_an_empty_table(tmp_path):
    table = read_utkface(tmp_path)
    assert table.frame.empty
    assert list(table.frame.columns) == [*COLUMNS, "source"]
    assert table.problems == []


def test_missing_folder_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        read_utkface(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("0_0_0_20170112213500903.jpg.chip.jpg", (0, 0, 0)),
        ("116_1_4_20170112213500903.jpg", (116, 1, 4)),
        ("39_1_20170116174525125.jpg.chip.jpg", (39, 1, -1)),
        ("61_1_20170109150557335.jpg.chip.jpg", (61, 1, -1)),
    ],
)
def test_names_become_labels(name, labels):
    assert tuple(parse_utkface_name(name).values()) == labels


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("face.jpg", "not of the form"),
        ("_0_0_20170112213500903.jpg", "not of the form"),
        ("-3_0_0_20170112213500903.jpg", "not of the form"),
        ("30.5_0_0_20170112213500903.jpg", "not of the form"),
        ("117_0_0_20170112213500903.jpg", "age 117"),
        ("30_2_0_20170112213500903.jpg", "gender 2"),
        ("30_0_5_20170112213500903.jpg", "race 5"),
        ("30_20170112213500903.jpg", "1 labels"),
        ("30_0_0_0_20170112213500903.jpg", "4 labels"),
        ("30_0_0.jpg", "not of the form"),
    ],
)
def test_malformed_names_say_what_is_wrong(name, reason):
    with pytest.raises(ValueError, match=reason):
        parse_utkface_name(name)


def test_reads_recursively_and_lists_what_it_leaves_out(tmp_path, write_picture, scan_bomb):
    write_picture(tmp_path / "a b" / "ü" / "30_1_2_20170112213500903.jpg", 1)
    write_picture(tmp_path / "39_1_20170116174525125.jpg.chip.jpg", 2)
    write_picture(tmp_path / "holiday.jpg", 3)
    whole = write_picture(tmp_path / "31_1_2_20170112213500903.jpg", 4).read_bytes()
    (tmp_path / "32_1_2_20170112213500903.jpg").write_bytes(whole[:-20])
    (tmp_path / "33_1_2_20170112213500903.jpg").write_bytes(b"")
    (tmp_path / "35_1_2_20170112213500903.jpg").write_bytes(scan_bomb(500))
    (tmp_path / "34_1_2_20170112213500903.jpg").write_text("not a picture")
    table = read_utkface(tmp_path)
    assert table.frame["file"].tolist() == [
        "31_1_2_20170112213500903.jpg",
        "39_1_20170116174525125.jpg.chip.jpg",
        "a b/ü/30_1_2_20170112213500903.jpg",
    ]
    assert table.frame["race"].tolist() == [2, -1, 2]
    assert set(table.frame["source"]) == {"utkface"}
    reasons = dict(table.problems)
    assert "cut short" in reasons["32_1_2_20170112213500903.jpg"]
    assert "empty" in reasons["33_1_2_20170112213500903.jpg"]
    assert "more than 100 scans" in reasons["35_1_2_20170112213500903.jpg"]
    assert "unknown format" in reasons["34_1_2_20170112213500903.jpg"]
    assert "not of the form" in reasons["holiday.jpg"]


def test_rows_may_lack_labels_and_bring_columns(tmp_path, write_picture):
    write_picture(tmp_path / "a.png", 1)
    table = build_table(tmp_path, [{"file": "a.png", "emotion": 3}, {"file": "gone.png"}], [], "x")
    assert table.frame.iloc[0][["age_years", "gender", "race", "emotion"]].tolist() == [-1, -1, -1, 3]
    assert table.problems == [("gone.png", "the file is missing or cannot be read")]

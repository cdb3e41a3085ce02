import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from facecli.core.attributes import EMOTIONS, RACES_7
from facecli.core.errors import DataError, FacecliError, InputError
from facecli.data.layouts.fairface import age_bounds
from facecli.data.layouts.wiki import age_in_years
from facecli.data.sources import open_dataset

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def pack(folder, archive):
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w") as packed:
            for path in sorted(folder.rglob("*")):
                packed.write(path, path.relative_to(folder.parent))
        return archive
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, folder.name)
    return archive


def test_missing_path_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="no such data set") as caught:
        open_dataset(tmp_path / "nowhere")
    assert caught.value.exit_code == 2


def test_missing_folder_names_the_archive_beside_it(tmp_path, utkface):
    archive = pack(utkface(1), tmp_path / "faces.zip")
    with pytest.raises(InputError, match=f"did you mean {archive}"):
        open_dataset(tmp_path / "faces")


def test_empty_folder_is_a_data_error(tmp_path):
    with pytest.raises(DataError, match="no pictures") as caught:
        open_dataset(tmp_path)
    assert caught.value.exit_code == 2


def test_folder_that_only_holds_an_archive_names_it(tmp_path, utkface):
    (tmp_path / "data").mkdir()
    pack(utkface(1), tmp_path / "data" / "faces.tar.gz")
    with pytest.raises(DataError, match="faces.tar.gz: give that"):
        open_dataset(tmp_path / "data")


def test_file_that_is_no_data_set_is_an_input_error(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(InputError, match="is not a data set"):
        open_dataset(tmp_path / "a.txt")


def test_all_names_malformed_gives_the_reasons(tmp_path, write_picture):
    for row in range(3):
        write_picture(tmp_path / f"holiday {row}.jpg", row)
    with pytest.raises(DataError, match=r"none of the 3 pictures .* age_gender_race_date \(3\)"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("name", ["chips.tar.gz", "chips.zip"])
def test_archive_of_utkface(tmp_path, utkface, name, home):
    archive = pack(utkface(4), tmp_path / name)
    folder, table = open_dataset(archive, progress=False)
    assert folder == home / "data" / "chips"
    assert len(table.frame) == 4
    assert all((folder / file).is_file() for file in table.frame["file"])
    assert open_dataset(archive, progress=False)[1].frame.equals(table.frame)


@pytest.mark.parametrize("given", ["dataset_1.tar.gz", "dataset_2.tar.gz", "."])
def test_pair_of_archives(tmp_path, utkface, given, home):
    data = tmp_path / "data"
    data.mkdir()
    for part in (1, 2):
        pack(utkface(2 * part, tmp_path / f"part{part}"), data / f"dataset_{part}.tar.gz")
    folder, table = open_dataset(data / given, progress=False)
    assert folder == home / "data" / "dataset"
    assert len(table.frame) == 6 and table.frame["sha256"].nunique() == 4


def test_half_of_the_pair_asks_for_the_other(tmp_path, utkface):
    archive = pack(utkface(1), tmp_path / "dataset_1.tar.gz")
    with pytest.raises(DataError, match="one of two archives"):
        open_dataset(archive, progress=False)


def matlab_day(year, month, day):
    from datetime import date

    return date(year, month, day).toordinal() + 366


@pytest.fixture
def wiki(tmp_path, write_picture):
    from scipy.io import savemat

    rows = [  # file, born, taken, gender, score, second score
        ("01/good.jpg", matlab_day(1980, 3, 1), 2010, 1.0, 3.0, np.nan),
        ("01/late.jpg", matlab_day(1980, 9, 1), 2010, 0.0, 3.0, np.nan),
        ("02/unknown.jpg", matlab_day(1950, 1, 1), 2000, np.nan, 3.0, np.nan),
        ("02/noface.jpg", matlab_day(1980, 1, 1), 2010, 1.0, -np.inf, np.nan),
        ("02/two.jpg", matlab_day(1980, 1, 1), 2010, 1.0, 3.0, 2.0),
        ("02/weak.jpg", matlab_day(1980, 1, 1), 2010, 1.0, 0.9, np.nan),
        ("02/unborn.jpg", matlab_day(2011, 1, 1), 2010, 1.0, 3.0, np.nan),
        ("02/oldest.jpg", matlab_day(1800, 1, 1), 2010, 1.0, 3.0, np.nan),
        ("02/nodate.jpg", 0, 2010, 1.0, 3.0, np.nan),
        ("02/gone.jpg", matlab_day(1980, 1, 1), 2010, 1.0, 3.0, np.nan),
    ]
    folder = tmp_path / "wiki_crop"
    for seed, row in enumerate(rows[:-1]):
        write_picture(folder / row[0], seed)
    columns = ("full_path", "dob", "photo_taken", "gender", "face_score", "second_face_score")
    values = list(zip(*rows, strict=True))
    paths = np.empty(len(rows), object)
    paths[:] = values[0]
    record = {name: np.array(column, float) for name, column in zip(columns[1:], values[1:], strict=True)}
    savemat(folder / "wiki.mat", {"wiki": {"full_path": paths, **record}})
    return folder


def test_wiki_keeps_one_clear_face_of_a_possible_age(wiki):
    folder, table = open_dataset(wiki.parent)
    assert folder == wiki
    rows = table.frame.set_index("file")[["age_years", "gender", "race"]].to_dict("split")
    assert rows["index"] == ["01/good.jpg", "01/late.jpg", "02/unknown.jpg"]
    assert rows["data"] == [[30, 0, -1], [29, 1, -1], [50, -1, -1]]
    reasons = {Path(file).stem: reason for file, reason in table.problems}
    assert reasons == {
        "noface": "no face found",
        "two": "more than one face",
        "weak": "face score not above 1.0",
        "unborn": "age not in 1..100",
        "oldest": "age not in 1..100",
        "nodate": "age not in 1..100",
        "gone": "the file is missing or cannot be read",
    }


def test_wiki_table_itself_may_be_given(wiki):
    assert len(open_dataset(wiki / "wiki.mat")[1].frame) == 3


@pytest.mark.parametrize("content", [b"", b"MATLAB 5.0 MAT-file", b"\0" * 500])
def test_damaged_wiki_table_is_a_data_error(tmp_path, content):
    (tmp_path / "wiki.mat").write_bytes(content)
    with pytest.raises(DataError, match="not the table of WIKI"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("taken", [np.nan, np.inf])
def test_age_of_a_picture_without_a_year_is_unknown(taken):
    assert age_in_years(matlab_day(1980, 1, 1), taken) is None
    assert age_in_years(np.nan, 2000) is None


def test_fairface_folds_races_and_keeps_bins(tmp_path, write_picture):
    folder = tmp_path / "fairface"
    rows = [
        "train/1.jpg,0-2,Male,White,True",
        "train/2.jpg,more than 70,Female,Southeast Asian,False",
        "train/3.jpg,30-39,Female,Latino_Hispanic,False",
        "train/4.jpg,young,Female,Black,False",
        "train/5.jpg,3-9,Female,Martian,False",
    ]
    for row in range(1, 6):
        write_picture(folder / "train" / f"{row}.jpg", row)
    write_picture(folder / "val" / "1.jpg", 9)
    header = "file,age,gender,race,service_test"
    (folder / "fairface_label_train.csv").write_text("\n".join([header, *rows]))
    (folder / "fairface_label_val.csv").write_text(f"{header}\nval/1.jpg,3-9,Male,Indian,True\n")
    found, table = open_dataset(tmp_path)
    frame = table.frame
    assert found == folder
    assert frame["file"].tolist() == ["train/1.jpg", "train/2.jpg", "train/3.jpg", "val/1.jpg"]
    seven = ["white", "southeast_asian", "latino_hispanic", "indian"]
    assert [RACES_7[race] for race in frame["race_7"]] == seven
    assert frame["race"].tolist() == [0, 2, 4, 3] and frame["gender"].tolist() == [0, 1, 1, 0]
    assert (frame["age_years"] == -1).all()
    assert frame["age_low"].tolist() == [0, 70, 30, 3] and frame["age_high"].tolist() == [2, 116, 39, 9]
    reasons = dict(table.problems)
    assert reasons == {"train/4.jpg": "unknown age bin 'young'", "train/5.jpg": "unknown race 'Martian'"}


def test_ages_that_a_spreadsheet_turned_into_dates_are_read_and_told(tmp_path, write_picture, caplog):
    rows = ["1.jpg,03-Sep,Male,White", "2.jpg,Oct-19,Female,Black", "3.jpg,19-Oct,Female,Black"]
    rows += ["4.jpg,05-Jun,Male,White"]
    for number in range(1, 5):
        write_picture(tmp_path / f"{number}.jpg", number)
    (tmp_path / "fairface_label_train.csv").write_text("\n".join(["file,age,gender,race", *rows]))
    frame, problems = open_dataset(tmp_path)[1].frame, open_dataset(tmp_path)[1].problems
    assert frame["age_low"].tolist() == [3, 10, 10] and frame["age_high"].tolist() == [9, 19, 19]
    assert "spreadsheet" in caplog.text and "3 ages" in caplog.text
    assert problems == [("4.jpg", "unknown age bin '05-Jun'")]


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "\0\0"])
def test_damaged_fairface_table_is_a_data_error(tmp_path, content):
    (tmp_path / "fairface_label_train.csv").write_text(content)
    with pytest.raises(DataError, match="not FairFace's label table"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("text", ["", "9-3", "20", "20-29 years"])
def test_unknown_age_bins(text):
    with pytest.raises(ValueError, match="unknown age bin"):
        age_bounds(text)


def test_fer2013_folders(tmp_path, write_picture):
    folder = tmp_path / "fer2013"
    for seed, place in enumerate(("train/angry", "train/happy", "test/neutral", "test/bored")):
        write_picture(folder / place / "1.jpg", seed)
    found, table = open_dataset(tmp_path)
    assert found == folder
    assert [EMOTIONS[code] for code in table.frame["emotion"]] == ["neutral", "angry", "happy"]
    assert table.frame["published_split"].tolist() == ["test", "train", "train"]
    assert (table.frame[["age_years", "gender", "race"]] == -1).all(axis=None)
    assert table.problems == [("test/bored/1.jpg", "unknown emotion 'bored'")]


def fer2013_row(emotion, seed, usage, count=48 * 48):
    pixels = np.random.default_rng(seed).integers(0, 256, count)
    return f"{emotion},{' '.join(map(str, pixels))},{usage}"


@pytest.mark.parametrize(("name", "header"), [
    ("fer2013.csv", "emotion,pixels,Usage"),
    ("icml_face_data.csv", "emotion, pixels, Usage"),
])  # fmt: skip
def test_fer2013_csv_becomes_pictures_once(tmp_path, name, header):
    rows = [
        fer2013_row(0, 1, "Training"),
        fer2013_row(6, 2, "../PublicTest"),
        fer2013_row(7, 3, "Training"),
        fer2013_row(3, 4, "Training", count=10),
        "3",
        "",
    ]
    (tmp_path / name).write_text("\n".join([header, *rows]))
    folder, table = open_dataset(tmp_path)
    assert folder == tmp_path / name.replace(".csv", "_pictures")
    assert table.frame["file"].tolist() == ["PublicTest/neutral/000003.png", "Training/angry/000002.png"]
    assert [EMOTIONS[code] for code in table.frame["emotion"]] == ["neutral", "angry"]
    assert table.frame["published_split"].tolist() == ["test", "train"]
    assert [file for file, _ in table.problems] == ["line 4", "line 5", "line 6"]
    from facecli.core.images import load_image

    image = load_image(folder / table.frame["file"][1])
    assert (image[:, :, 0].ravel() == np.random.default_rng(1).integers(0, 256, 48 * 48)).all()
    assert open_dataset(tmp_path)[1].frame.equals(table.frame)


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"emotion,pixels\n\xff\xfe,1\n"])
def test_damaged_fer2013_csv_is_an_error_and_leaves_nothing(tmp_path, content):
    (tmp_path / "fer2013.csv").write_bytes(content)
    with pytest.raises(FacecliError):
        open_dataset(tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/data")
def test_real_fairface_archive(tmp_path):
    import shutil

    archive = shutil.copy(SHARED / "fairface.tar.gz", tmp_path)
    folder, table = open_dataset(Path(archive), progress=False)
    assert len(table.frame) == 10500 and table.problems == []
    assert set(table.frame["gender"]) == {0, 1} and set(table.frame["race_7"]) == set(range(7))


def test_pictures_without_a_face(tmp_path, write_picture):
    for seed, place in enumerate(("train/not_face", "test/not_face", "train/who_knows")):
        write_picture(tmp_path / place / "1.jpg", seed)
    found, table = open_dataset(tmp_path)
    assert found == tmp_path
    assert table.frame["file"].tolist() == ["test/not_face/1.jpg", "train/not_face/1.jpg"]
    assert table.frame["published_split"].tolist() == ["test", "train"]
    assert (table.frame["face"] == 0).all() and (table.frame["age_years"] == -1).all()
    assert table.problems == [("train/who_knows/1.jpg", "not in a folder not_face/")]

"""Lists of pictures at the door: what is told of them before training, and a model trained on one."""

import json

import pytest
from list_pictures import dataturks, encoded, face_picture, picture_server, write_lines

from facecli.cli.app import main


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FACECLI_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def server():
    with picture_server() as server:
        yield server


@pytest.fixture
def small(tmp_path):
    """Two files with a face, and a third that is not there."""
    for number in range(2):
        (tmp_path / f"{number}.jpg").write_bytes(encoded(face_picture(number)))
    rows = [
        {
            "file": f"{n}.jpg",
            "Alter": 30 + n,
            "sex": "FM"[n % 2],
            "glasses": n % 2 == 0,
            "id": n,
            "mood": "odd",
        }
        for n in range(3)
    ]
    return write_lines(tmp_path / "small.json", rows)


def check(*arguments):
    return main(["data", "check", *map(str, arguments)])


def check_all_120(tmp_path, home, capsys):
    assert check("list.json", "--allow-private", "--save-labels", "labels.yaml") == 0
    out = capsys.readouterr().out
    assert "120 rows, 120 different pictures, 120 of them at addresses" in out
    assert "fetched: 117 now, 0 were here" in out and "faces: 117 (117 found)" in out
    assert "'Age_20_30' is taken for age:20-29" in out and "glasses: no 59, yes 58" in out
    assert "left out: 3 files" in out and "it answers 404 Not Found: " in out
    assert "can be trained on: age, gender, emotion" in out
    left_out = (home / "statistics" / "data_stats" / "left_out_list.jsonl").read_text().splitlines()
    assert [json.loads(line)["row"] for line in left_out] == [11, 12, 13]
    assert "Emotion_Happy: emotion:happy\n" in (tmp_path / "labels.yaml").read_text()


def test_120_addresses_are_checked_trained_on_and_measured(tmp_path, server, home, capsys, monkeypatch):
    pytest.importorskip("keras")
    monkeypatch.chdir(tmp_path)
    kinds = {5: "slow", 6: "slow", 7: "slow", 10: "text", 11: "cut", 12: "gone"}
    rows = [dataturks(n, f"{server.url}/{kinds.get(n, 'face')}/{n}.jpg") for n in range(120)]
    path = write_lines(tmp_path / "list.json", rows)

    check_all_120(tmp_path, home, capsys)
    common = ["--data-path", str(path), "--labels", "labels.yaml"]
    training = ["--model-type", "normal", "--heads", "age,gender", "--image-size", "32", "--patience", "9"]
    kept = ["--epochs", "3", "--keep-epochs", "all"]
    assert main(["train", *common, *training, *kept, "--name", "mine"]) == 0
    said = capsys.readouterr()
    assert "117 faces of 120 rows" in said.err and (home / "saved_model" / "mine" / "model.tflite").is_file()
    config = json.loads((home / "saved_model" / "mine" / "config.json").read_text())
    assert list(config["sets"]) == ["list"]

    epoch = ["--model-path", "mine", "--epoch", "2"]
    assert main(["evaluate", *common, *epoch, "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)
    # The best epoch is the model itself.
    assert measured["model"] in ("mine", "mine-epoch-002")
    assert measured["data"] == "list" and measured["gender"]["count"] == 12
    assert measured["age_bins"]["count"] == 12
    photo = f"{server.url}/face/121.jpg"
    assert main(["run", "--img", photo, "--allow-private", *epoch, "--json", "-"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["model"] == measured["model"] and len(row["faces"]) == 1
    # One photo was new; all else was fetched once.
    assert set(server.asked.values()) == {1} and len(server.asked) == 121


def test_a_list_says_what_is_trained_on_and_what_is_tested(tmp_path, home, capsys):
    rows = []
    for n in range(12):
        (tmp_path / f"{n}.jpg").write_bytes(encoded(face_picture(n)))
        rows.append(
            {"file": f"{n}.jpg", "age": 20 + n, "sex": "FM"[n % 2], "Subset": ["dev", "Test", "train"][n % 3]}
        )
    path = write_lines(tmp_path / "list.json", rows)
    assert check(path, "--no-fetch") == 0
    out = capsys.readouterr().out
    assert "split: train 4, val 4, test 4" in out and "'Subset:dev' is taken for split:val" in out
    frame = open_and_split(path)
    assert (frame["split"] == frame["published_split"]).all() and frame["split"].nunique() == 3


def open_and_split(path):
    from facecli.data.groups import add_groups, split_groups
    from facecli.data.listed import read_list

    folder, table = read_list(path)
    return split_groups(add_groups(table.frame, folder)[0], seed=1)


def test_a_small_list_tells_all_that_is_wrong_with_it(small, tmp_path, home, capsys):
    assert check(small, "--label", "Alter=age", "--verbose") == 2
    out, err = capsys.readouterr()
    for line in (
        "3 rows, 3 different pictures",
        "faces: 2 (2 found)",
        "column 'Alter' is taken for age: 3 different values",
        "'sex:F' is taken for gender:female",
        "column 'id' has a name that rows or tables have another use for: it is left out",
        "unknown labels: mood:odd (3); --label LABEL=MEANING says what they mean",
        "left out: 1 files",
        "it: No such file or directory: 2.jpg",
    ):
        assert line in out
    assert "2 labelled pictures are too few to train on" in err.strip().splitlines()[-1]


def test_a_survey_fetches_nothing(tmp_path, server, home, capsys):
    path = write_lines(tmp_path / "list.json", [dataturks(n, f"{server.url}/face/{n}.jpg") for n in range(9)])
    assert check(path, "--no-fetch", "--save-labels", tmp_path / "labels.yaml") == 0
    out = capsys.readouterr().out
    assert "9 rows" in out and "gender: male 5, female 4" in out and "fetched" not in out
    assert not server.asked and not home.exists() and (tmp_path / "labels.yaml").is_file()


def test_a_survey_is_for_lists(tmp_path, capsys):
    assert check(tmp_path, "--no-fetch") == 2
    assert f"--no-fetch works only for lists, and {tmp_path} is not a list" in capsys.readouterr().err


def test_private_addresses_are_told_in_two_lines(tmp_path, server, home, capsys):
    path = write_lines(tmp_path / "list.json", [dataturks(0, f"{server.url}/face/0.jpg")])
    assert check(path) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines[0].endswith(
        "addresses of your own network were skipped; add --allow-private to fetch from them"
    )
    assert lines[1].endswith("can be used: 127.0.0.1 is a private address (1)") and len(lines) == 2
    assert not server.asked


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--label", "a"], "'a' does not name a label"),
        (["--label", "a=gender:x"], "gender is one of male, female"),
        (["--labels", "none.yaml"], "cannot read none.yaml: No such file"),
        (["--faces", "all"], "'all' is not one of"),
        (["--save-labels", "small.json"], "is among what is read"),
    ],
)
def test_wrong_arguments_are_one_line(small, home, tmp_path, monkeypatch, capsys, arguments, told):
    monkeypatch.chdir(tmp_path)
    before = small.read_bytes()
    assert check("small.json", *arguments) == 2
    assert told in " ".join(capsys.readouterr().err.split())
    assert small.read_bytes() == before


@pytest.mark.parametrize("text", ["", "[", '[{"file": "a.jpg"', "nothing"])
def test_a_broken_list_is_one_line_for_every_command(tmp_path, home, capsys, text):
    path = tmp_path / "list.json"
    path.write_text(text)
    for command in (["data", "check"], ["evaluate", "--data-path"]):
        assert main([*command, str(path)]) == 2
        error = capsys.readouterr().err.strip().splitlines()
        assert len(error) == 1 and "list.json" in error[0]
    assert not home.exists()


def test_names_that_a_terminal_would_obey_are_shown_harmlessly(tmp_path, home, capsys):
    rows = [
        {"file": "\x1b[2J.jpg", "age": 3, "\x1b]0;x": "\x1b[31m"},
        {"file": "\x1b[2J.jpg", "age": "\x1b[0m"},
    ]
    assert check(write_lines(tmp_path / "list.json", rows)) == 2
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_detectors_learn_from_no_lists(small, home, capsys, command):
    arguments = ["--model-type", "detector", "--data-path", str(small), "--faces", "box", "--label", "a=b:c"]
    assert main([command, *arguments]) == 2
    assert "not for --model-type detector" in capsys.readouterr().err

"""A model that brings a head of its own, from its folder to faces, files and frames."""

import json

import numpy as np
import pytest

from facecli.core.attributes import FURTHER_HALF_LIFE_S
from facecli.core.errors import CheckpointError
from facecli.core.faces import Face, FrameResult
from facecli.detect.none import WholePicture
from facecli.infer.analyzer import AgreementCount, Analyzer, ComparingAnalyzer, Doubts, ReadoutOptions
from facecli.live.analyzer import Evidence, LiveAnalyzer
from facecli.models.checkpoint import load_checkpoint, write_config
from facecli.models.litert import Predictor
from facecli.schema import COLUMNS, head_columns
from facecli.sinks.base import Record
from facecli.sinks.rows import CsvSink, ParquetSink, flat_rows
from facecli.sinks.table import face_table

CLASSES = ("no", "yes", "sun glasses")
PICTURE = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)


def worn(share):
    return {"no": 1 - share, "yes": share}


def changed(checkpoint, folder, **config):
    """The model's folder with other words in its `config.json`."""
    folder.mkdir()
    for file in ("model.tflite",):
        (folder / file).write_bytes((checkpoint.folder / file).read_bytes())
    write_config(folder, {**checkpoint.config, **config}, ("model.tflite",))
    return folder


def test_a_model_knows_its_heads_and_their_classes(glasses_checkpoint, tiny_checkpoint):
    assert glasses_checkpoint.further == {"glasses": CLASSES} and tiny_checkpoint.further == {}
    assert glasses_checkpoint.class_count("glasses") == 3 and glasses_checkpoint.class_count("age") == 117
    assert glasses_checkpoint.half_lives_s == {"glasses": FURTHER_HALF_LIFE_S}


def test_how_long_an_answer_holds_may_be_said(glasses_checkpoint, tmp_path):
    folder = changed(glasses_checkpoint, tmp_path / "m", attributes={"glasses": {"half_life_s": 60}})
    assert load_checkpoint(folder).half_lives_s == {"glasses": 60}


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"labels": {"age": [], "gender": []}}, "are not among"),
        ({"labels": {"age": [], "gender": [], "glasses": []}}, "no classes"),
        ({"labels": {"age": [], "gender": [], "glasses": ["a"] * 2}}, "one name"),
        ({"labels": {"age": [], "gender": [], "glasses": [str(n) for n in range(500)]}}, "500 classes"),
        ({"heads": ["age", "gender", "quality"], "labels": {"quality": ["a", "b"]}}, "another use"),
        ({"attributes": {"glasses": {"half_life_s": 0}}}, "attributes.glasses.half_life_s"),
        ({"attributes": []}, "attributes"),
    ],
)
def test_a_damaged_head_is_one_line(glasses_checkpoint, tmp_path, config, said):
    folder = changed(glasses_checkpoint, tmp_path / "m", **config)
    with pytest.raises(CheckpointError, match=said) as caught:
        load_checkpoint(folder)
    assert "\n" not in str(caught.value)


def test_a_network_with_another_number_of_classes_is_refused(glasses_checkpoint, tmp_path):
    labels = {**glasses_checkpoint.config["labels"], "glasses": ["no", "yes"]}
    folder = changed(glasses_checkpoint, tmp_path / "m", labels=labels)
    with pytest.raises(CheckpointError, match=r"'glasses' gives \(3,\) classes, not 2"):
        Predictor(load_checkpoint(folder))


def test_no_crops(glasses_checkpoint):
    found = Predictor(glasses_checkpoint).predict(np.empty((0, 32, 24, 3), np.uint8))
    assert found["glasses"].shape == (0, 3)


def test_its_answers_are_those_of_the_network_calibrated(glasses_checkpoint, tmp_path):
    calibration = {"temperatures": {"glasses": 2.0}, "uncertain_below": {"glasses": 1.0}}
    folder = changed(glasses_checkpoint, tmp_path / "m", calibration=calibration)
    plain = Analyzer(WholePicture(), Predictor(glasses_checkpoint)).analyze(PICTURE)[0]
    soft = Analyzer(WholePicture(), Predictor(load_checkpoint(folder))).analyze(PICTURE)[0]
    raw = np.array(list(plain.further["glasses"].values()))
    assert list(soft.further["glasses"]) == list(CLASSES)
    assert list(soft.further["glasses"].values()) == pytest.approx(
        np.sqrt(raw) / np.sqrt(raw).sum(), abs=1e-5
    )
    assert soft.uncertain == ("glasses",) and plain.uncertain == ()


def test_a_temperature_of_an_unknown_head_is_damage(glasses_checkpoint, tmp_path):
    folder = changed(glasses_checkpoint, tmp_path / "m", calibration={"temperatures": {"hats": 2.0}})
    with pytest.raises(CheckpointError, match="hats"):
        Predictor(load_checkpoint(folder))


def test_doubts_of_all_labels_are_of_its_too(glasses_checkpoint):
    reading = ReadoutOptions(uncertain_below=1.0)
    (face,) = Analyzer(WholePicture(), Predictor(glasses_checkpoint), reading=reading).analyze(PICTURE)
    assert set(face.uncertain) == {"gender", "glasses"}
    assert Doubts({"glasses": 0.5}).of(Face((0, 0, 1, 1), 1.0, further={"glasses": worn(0.5)})) == ()


def test_two_models_agree_where_both_have_the_head(glasses_checkpoint, tiny_checkpoint):
    several = {"one": glasses_checkpoint, "other": tiny_checkpoint}
    analyzers = {name: Analyzer(WholePicture(), Predictor(known)) for name, known in several.items()}
    (face,) = ComparingAnalyzer(analyzers).analyze(PICTURE)
    assert face.by_model["one"].further and not face.by_model["other"].further
    count = AgreementCount()
    count.add(*face.by_model.values())
    assert "glasses" not in count.result().same and "gender" in count.result().same
    count.add(face.by_model["one"], face.by_model["one"])
    assert count.result().same["glasses"] == 1.0


def test_a_person_is_known_better_with_every_frame():
    evidence = Evidence({"glasses": 1.0})
    assert evidence.fields() == {}
    for second in range(4):
        share = 1.0 if second else 0.0
        evidence.add(Face((0, 0, 1, 1), 1.0, further={"glasses": worn(share)}), float(second))
    shares = evidence.fields()["further"]["glasses"]
    # Weights 1/8, 1/4, 1/2 and 1 of what was said in the four seconds.
    assert shares["yes"] == pytest.approx(1.75 / 1.875) and sum(shares.values()) == pytest.approx(1)


def test_live_faces_have_it_and_it_is_smoothed(glasses_checkpoint):
    class Box(WholePicture):
        name, every_s = "haar", 0.0

    live = LiveAnalyzer(Analyzer(Box(), Predictor(glasses_checkpoint)))
    frames = np.random.default_rng(1).integers(0, 256, (3, 40, 30, 3), dtype=np.uint8)
    faces = [face for step, frame in enumerate(frames) for face in live.analyze(frame, step / 5)]
    assert faces and all(set(face.further) == {"glasses"} for face in faces)
    assert all(sum(face.further["glasses"].values()) == pytest.approx(1, abs=1e-5) for face in faces)


FACES = (
    Face((1, 2, 3, 4), 0.9, further={"glasses": worn(0.75)}),
    Face((5, 6, 7, 8), 0.9, further={"glasses": worn(0.25)}, uncertain=("glasses",)),
    Face((5, 6, 7, 8), 0.9),
)
RESULT = FrameResult("a.jpg", 9, 9, FACES)


def test_the_usual_columns_stay_and_its_own_come_behind(tmp_path):
    more = head_columns(["glasses"])
    assert list(more) == ["glasses", "glasses_probability"]
    rows = list(flat_rows(Record(RESULT), more))
    assert [row["glasses"] for row in rows] == ["yes", "no", None]
    assert [row["glasses_probability"] for row in rows] == [0.75, 0.75, None]
    with CsvSink(str(tmp_path / "a.csv"), more=more) as sink:
        sink.write(Record(RESULT))
    head, first, *_ = (tmp_path / "a.csv").read_text().splitlines()
    assert head == ",".join((*COLUMNS, "glasses", "glasses_probability")) and first.endswith(",yes,0.75")


def test_a_row_without_a_face_has_its_columns_too():
    (row,) = flat_rows(Record(FrameResult("a.jpg", 9, 9)), head_columns(["glasses"]))
    assert row["glasses"] is None and row["glasses_probability"] is None


def test_parquet_has_a_column_for_each_class(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    with ParquetSink(tmp_path / "a.parquet", head_columns(["glasses"]), {"glasses": ("no", "yes")}) as sink:
        sink.write(Record(RESULT))
    table = parquet.read_table(tmp_path / "a.parquet").to_pydict()
    assert table["glasses"] == ["yes", "no", None]
    assert table["glasses_no"] == [0.25, 0.75, None] and table["glasses_probability"] == [0.75, 0.75, None]


def test_the_table_has_a_column_when_a_face_has_the_head():
    header, *rows = face_table([RESULT])
    place = header.index("glasses")
    assert [row[place] for row in rows] == ["yes 75%", "uncertain", ""]
    assert "glasses" not in face_table([FrameResult("a.jpg", 9, 9)])[0]
    header, first, *_ = face_table([RESULT], details=", ")
    assert first[header.index("glasses")] == "yes 75%, no 25%"


def test_rows_are_json():
    row = json.loads(json.dumps(RESULT.to_json()))
    assert [face.get("glasses") for face in row["faces"]] == ["yes", "no", None]

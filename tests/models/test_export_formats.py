import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.cli.export import DTYPES
from facecli.cli.export import FORMATS as OFFERED
from facecli.core.errors import InputError, OutputError
from facecli.models.export import FORMATS, check_output, resolve_format


def test_the_command_offers_what_there_is():
    assert tuple(FORMATS) == OFFERED
    assert {dtype for file_format in FORMATS.values() for dtype in file_format.dtypes} == set(DTYPES)


@given(st.sampled_from(sorted(FORMATS)), st.sampled_from(DTYPES) | st.none())
def test_a_dtype_is_taken_or_refused_in_one_line(name, dtype):
    if dtype is None or dtype in FORMATS[name].dtypes:
        file_format, chosen = resolve_format(name, dtype)
        assert file_format.name == name
        assert chosen == (dtype or file_format.dtypes[0])
    else:
        with pytest.raises(InputError) as caught:
            resolve_format(name, dtype)
        assert "\n" not in caught.value.with_hint
        assert FORMATS[name].dtypes[0] in caught.value.with_hint


def test_an_unknown_format():
    with pytest.raises(InputError, match="tflite, onnx, saved_model"):
        resolve_format("coreml", None)


def test_good_places_may_be_new_or_there_already(tmp_path):
    check_output(tmp_path / "new" / "deep" / "m.tflite", FORMATS["tflite"])
    check_output(tmp_path / "M.ONNX", FORMATS["onnx"])
    check_output(tmp_path, FORMATS["saved_model"])  # empty
    (tmp_path / "saved_model.pb").write_text("")
    check_output(tmp_path, FORMATS["saved_model"])
    assert [file.name for file in tmp_path.iterdir()] == ["saved_model.pb"]


def test_a_folder_with_other_things_is_not_replaced(tmp_path):
    (tmp_path / "thesis.txt").write_text("")
    with pytest.raises(InputError, match="no SavedModel"):
        check_output(tmp_path, FORMATS["saved_model"])


@pytest.mark.parametrize("name", ["model", "model.keras", "model.onnx", "config.json"])
def test_a_file_of_another_suffix_is_not_replaced(tmp_path, name):
    with pytest.raises(InputError, match=r"\.tflite"):
        check_output(tmp_path / name, FORMATS["tflite"])


def test_a_folder_where_a_file_goes_and_a_file_where_a_folder_goes(tmp_path):
    (tmp_path / "m.onnx").mkdir()
    (tmp_path / "m").write_text("")
    with pytest.raises(InputError, match="is a folder"):
        check_output(tmp_path / "m.onnx", FORMATS["onnx"])
    with pytest.raises(InputError, match="is a file"):
        check_output(tmp_path / "m", FORMATS["saved_model"])
    with pytest.raises(OutputError, match="is not a folder"):
        check_output(tmp_path / "m" / "m.tflite", FORMATS["tflite"])


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="no permission"):
            check_output(tmp_path / "m.tflite", FORMATS["tflite"])
    finally:
        tmp_path.chmod(0o700)

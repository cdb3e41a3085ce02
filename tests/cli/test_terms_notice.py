"""One line where a detector may be used for less than the model; none where that is no news."""

from types import SimpleNamespace

import pytest

from facecli.cli.app import cli, main
from facecli.cli.output import configure_output, note_terms
from facecli.detect import registry
from facecli.detect.none import WholePicture
from facecli.detect.registry import choose_detector, find_entry
from facecli.models.terms import OPEN

OPENED, CLOSED = {"terms": OPEN.to_config()}, {"model_type": "normal"}


@pytest.fixture(autouse=True)
def loud():
    configure_output()
    yield
    configure_output()


@pytest.mark.parametrize(
    ("detector", "configs"),
    [
        ("haar", [OPENED]),
        ("none", [OPENED]),
        ("yunet", [CLOSED]),
        ("yunet", [OPENED, CLOSED]),
    ],
)
def test_nothing_is_said_where_nothing_gets_narrower(capsys, detector, configs):
    note_terms(detector, configs)
    assert capsys.readouterr() == ("", "")


def test_a_narrower_detector_is_one_line(capsys):
    note_terms("yunet", [OPENED])
    out, said = capsys.readouterr()
    assert out == "" and said.count("\n") == 1
    assert "yunet" in said and "non-commercial research only" in said and "WIDER FACE" in said


def test_quiet_leaves_it_out(capsys):
    configure_output(quiet=True)
    note_terms("yunet", [OPENED])
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["run", "serve", "explain", "benchmark"])
def test_the_detector_that_is_used_unless_another_is_named_is_no_narrower_than_the_open_model(name):
    import click

    command = cli.get_command(click.Context(cli), name)
    (option,) = [one for one in command.params if one.name == "detector"]
    chosen = choose_detector(option.default, [OPENED])
    assert chosen == "haar" and not find_entry(chosen).terms.is_narrow
    assert choose_detector(option.default, [{}]) == "cnn"


@pytest.mark.parametrize(("quiet", "lines"), [([], 1), (["--quiet"], 0)])
def test_run_says_it_once(make_checkpoint, tmp_path, monkeypatch, astronaut, capsys, quiet, lines):
    from facecli.core.images import save_image

    # Its weights need not be here.
    monkeypatch.setattr(registry, "build_detector", lambda *_, **__: WholePicture())
    checkpoint = make_checkpoint(tmp_path / "open", terms=OPEN.to_config())
    save_image(tmp_path / "a.png", astronaut[:100, :100])
    arguments = ["run", "--img", str(tmp_path / "a.png"), "--detector", "yunet", "--json", "-"]
    assert main([*arguments, "--model-path", str(checkpoint.folder), *quiet]) == 0
    assert capsys.readouterr().err.count("non-commercial research only") == lines


@pytest.mark.parametrize(("detector", "lines"), [("yunet", 1), ("haar", 0)])
def test_serve_says_it_of_its_own_detector(monkeypatch, capsys, detector, lines):
    pytest.importorskip("fastapi", reason="the extra 'web' is not installed")
    registry = SimpleNamespace(
        default="open", entries={"open": SimpleNamespace(config=OPENED)}, default_detector=detector
    )
    app = SimpleNamespace(state=SimpleNamespace(registry=registry))
    monkeypatch.setattr("facecli.web.app.build_app", lambda *_: app)
    monkeypatch.setattr("facecli.web.app.serve", lambda *_: None)
    assert main(["serve", "--port", "0", "--detector", detector]) == 0
    assert capsys.readouterr().err.count("non-commercial research only") == lines

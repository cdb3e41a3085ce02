"""The Python that README.md and docs/python.md show runs as it is written there, on a real face."""

import re
from pathlib import Path

import pytest

from facecli.core.images import save_image

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```python\n(.*?)^```$(?:\n\n```text\n(.*?)^```$)?", re.DOTALL | re.MULTILINE)
"""Code, and what it prints where that is shown."""
BLOCKS = [
    pytest.param(text, printed, id=f"{path.name}-{number}")
    for path in (ROOT / "README.md", ROOT / "docs" / "python.md")
    for number, (text, printed) in enumerate(BLOCK.findall(path.read_text(encoding="utf-8")), start=1)
]


def test_there_are_lines_to_run():
    assert {param.id.partition("-")[0] for param in BLOCKS} == {"README.md", "python.md"}
    assert all(printed for *_, printed in (param.values for param in BLOCKS if "python.md" in param.id))


@pytest.mark.parametrize(("text", "printed"), BLOCKS)
def test_it_runs_as_written(text, printed, astronaut, face_clip, tmp_path, monkeypatch, capsys):
    if "to_frame" in text:
        pytest.importorskip("pandas")
    save_image(tmp_path / "photo.jpg", astronaut)
    (tmp_path / "clip.mp4").write_bytes(face_clip.read_bytes())
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(text, "README", "exec"), names)
    if printed:
        assert capsys.readouterr().out == printed
    else:
        said = capsys.readouterr().out.splitlines()
        assert re.fullmatch(r"\d\d years, female, happy", said[0])
        assert said[1] == "photo.jpg 1" and said[2].startswith("missing.jpg cannot read")


def test_the_readme_needs_ten_lines_at_most():
    ((text, _),) = BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(text.splitlines()) <= 10

"""The Python that README.md and docs/python.md show runs as it is written there, on a real face."""

import re
from pathlib import Path

import pytest

from facecli.core.images import save_image

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
BLOCKS = [
    pytest.param(text, id=f"{path.name}-{number}")
    for path in (ROOT / "README.md", ROOT / "docs" / "python.md")
    for number, text in enumerate(BLOCK.findall(path.read_text(encoding="utf-8")), start=1)
]


def test_there_are_lines_to_run():
    assert {param.id.partition("-")[0] for param in BLOCKS} == {"README.md", "python.md"}


@pytest.mark.parametrize("text", BLOCKS)
def test_it_runs_as_written(text, astronaut, tmp_path, monkeypatch, capsys):
    save_image(tmp_path / "photo.jpg", astronaut)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(text, "README", "exec"), names)
    assert names["record"]["source"]
    if "analyze_many" in text:
        said = capsys.readouterr().out.splitlines()
        assert re.fullmatch(r"\d\d years, female, happy", said[0])
        assert said[1] == "photo.jpg 1" and said[2].startswith("missing.jpg cannot read")


def test_the_readme_needs_ten_lines_at_most():
    (text,) = BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(text.splitlines()) <= 10

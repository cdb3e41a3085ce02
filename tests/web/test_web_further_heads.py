"""The pages' scripts show heads that a model brings; run by Node where it is installed."""

import json
import shutil
import subprocess

import pytest

pytest.importorskip("fastapi", reason="the extra 'web' is not installed")

from facecli.core.faces import Face, FrameResult
from facecli.schema import COLUMNS, head_columns
from facecli.sinks.base import Record
from facecli.sinks.rows import CsvSink
from facecli.web.pages import static_files
from facecli.web.schemas import PICTURE, with_heads

NODE = shutil.which("node")
FACE = Face(
    (1, 2, 30, 40),
    0.9,
    age_years=30.5,
    age_interval_90=(25, 36),
    gender_probabilities={"male": 0.25, "female": 0.75},
    further={"glasses": {"no": 0.125, "yes": 0.875}},
)
PLAIN = Face((1, 2, 30, 40), 0.9)
RESULT = FrameResult("a.jpg", 50, 60, (FACE, PLAIN), time_s=0.5, model="mine")


@pytest.fixture
def evaluate(tmp_path):
    """What an expression gives in a script that has the pages' modules."""
    if NODE is None:
        pytest.skip("Node is not installed")
    for name, content in static_files().items():
        if name.endswith(".js"):
            (tmp_path / name).write_bytes(content)
    (tmp_path / "package.json").write_text('{"type": "module"}')

    def run(imports, expression):
        row = f"const row = {json.dumps(RESULT.to_json())};"
        script = f"{imports}\n{row}\nconsole.log(JSON.stringify({expression}));"
        (tmp_path / "main.js").write_text(script)
        done = subprocess.run([NODE, "main.js"], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_a_label_says_it(evaluate):
    lines = evaluate('import { labelLines } from "./labels.js";', "row.faces.map(labelLines)")
    assert [word["text"] for word in lines[0][-1]] == ["glasses yes"] and lines[1] == []
    spoken = evaluate('import { spoken } from "./labels.js";', "spoken(row.faces[0])")
    assert spoken.endswith("female 75%, glasses yes 88%")


def test_a_label_says_only_what_is_asked_for(evaluate):
    keys = evaluate('import { only } from "./labels.js";', 'Object.keys(only(row.faces[0], ["gender"]))')
    assert "gender" in keys and not {"age_years", "glasses"} & set(keys)
    keys = evaluate('import { only } from "./labels.js";', 'Object.keys(only(row.faces[0], ["glasses"]))')
    assert "glasses" in keys and "gender" not in keys


def test_the_table_of_the_page_is_that_of_the_command_line(evaluate, tmp_path):
    told = evaluate('import { table } from "./downloads.js";', "table([row])")
    with CsvSink(str(tmp_path / "rows.csv"), more=head_columns(["glasses"])) as sink:
        sink.write(Record(RESULT))
    assert told.replace("\r\n", "\n") == (tmp_path / "rows.csv").read_text()
    assert told.startswith(",".join((*COLUMNS, "glasses", "glasses_probability")))


def test_without_such_a_head_nothing_is_described_otherwise():
    assert with_heads(PICTURE, {}) == PICTURE


def test_the_description_knows_it_at_every_face():
    face = with_heads(PICTURE, {"glasses": ("no", "yes")})["properties"]["faces"]["items"]["properties"]
    assert face["glasses"] == {"type": "string", "enum": ["no", "yes"]}
    assert face["glasses_probabilities"]["required"] == ["no", "yes"]
    assert "glasses" in face["uncertain"]["items"]["enum"]

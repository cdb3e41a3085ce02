"""The Dockerfile, read and rehearsed as far as that is cheap; docker/rehearse.py takes all its steps."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docker"))

import dockerfile  # noqa: E402
import rehearse  # noqa: E402

from facecli.core.paths import DETECTOR_MODEL, LANDMARKS_MODEL, MODEL_FOLDERS  # noqa: E402


@pytest.fixture(scope="module")
def stages():
    return dockerfile.parse((ROOT / "Dockerfile").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def ignored():
    return dockerfile.Ignored((ROOT / ".dockerignore").read_text(encoding="utf-8"))


# --- reading --------------------------------------------------------------------------------------


def test_an_empty_file_has_no_stages():
    assert dockerfile.parse("") == []
    assert dockerfile.parse("# nothing\n\n") == []


def test_steps_are_read_across_lines_and_in_both_forms():
    text = 'FROM a AS b\nRUN one \\\n  # why\n  && two\nenv A=1 B="2 3"\nCMD ["x", "y z"]\nFROM b\n'
    first, second = dockerfile.parse(text)
    assert (first.image, first.name, second.image, second.name) == ("a", "b", "b", "1")
    assert [step.word for step in first.steps] == ["RUN", "ENV", "CMD"]
    assert " ".join(first.last("RUN").rest.split()) == "one && two"
    assert first.environment() == {"A": "1", "B": "2 3"}
    assert first.last("CMD").arguments == ["x", "y z"]


def test_a_step_before_the_first_stage_is_an_error():
    with pytest.raises(ValueError, match="before FROM"):
        dockerfile.parse("RUN true\nFROM a")
    with pytest.raises(ValueError, match="no USER"):
        dockerfile.parse("FROM a")[0].last("USER")


def test_options_are_no_arguments():
    step = dockerfile.Step("COPY", "--from=builder --chown=1:1 /a /b")
    assert step.arguments == ["/a", "/b"]
    assert (step.option("from"), step.option("chmod")) == ("builder", None)


@pytest.mark.parametrize(
    "path, left_out",
    [
        ("setup.py", False),
        ("src/facecli/cli.py", False),
        ("src/facecli/__pycache__/cli.pyc", True),
        ("saved_model/facenet_model/model.tflite", False),
        ("saved_model/facenet_model/epochs/1.keras", True),
        ("saved_model/mine/model.tflite", True),
        ("saved_model/weights/yunet.onnx", True),
        ("data/UTKFace/1_0_0.jpg", True),
        (".git/config", True),
        (".venv/bin/python", True),
        ("docker/rehearse.py", True),
        ("tests/conftest.py", True),
    ],
)
def test_only_what_the_wheel_is_made_of_is_sent_to_the_engine(ignored, path, left_out):
    assert ignored(Path(path)) is left_out


@pytest.mark.parametrize("folder", sorted({*MODEL_FOLDERS.values(), DETECTOR_MODEL, LANDMARKS_MODEL}))
def test_every_network_that_ships_is_sent(ignored, folder):
    assert (ROOT / "saved_model" / folder / "model.tflite").is_file()
    assert not ignored(Path("saved_model", folder, "model.tflite"))
    assert not ignored(Path("saved_model", folder, "config.json"))


# --- what it says ---------------------------------------------------------------------------------


def test_nothing_of_the_builder_but_the_environment_is_kept(stages):
    builder, final = stages
    assert builder.image == final.image == "python:3.11-slim"
    assert [step.arguments for step in final.all("COPY") if step.option("from")] == [["/opt/facecli"] * 2]


def test_every_copied_file_exists_and_is_sent(stages, ignored):
    for step in (step for stage in stages for step in stage.all("COPY") if not step.option("from")):
        for source in step.arguments[:-1]:
            assert (ROOT / source).exists(), source
            # A folder may be let through by what lies in it.
            inside = (path.relative_to(ROOT) for path in (ROOT / source).rglob("*"))
            assert not ignored(Path(source)) or any(not ignored(path) for path in inside), source


def test_the_server_is_no_root_and_says_how_it_is(stages):
    final = stages[-1]
    user, _, group = final.last("USER").rest.partition(":")
    assert int(user) >= 10_000 and int(group) >= 10_000
    assert final.steps.index(final.last("USER")) < final.steps.index(final.last("ENTRYPOINT"))
    assert not [step for step in final.steps[final.steps.index(final.last("USER")) :] if step.word == "RUN"]
    assert final.last("HEALTHCHECK").rest.endswith('CMD ["python", "/opt/facecli/healthcheck.py"]')
    assert final.last("EXPOSE").rest == final.environment()["FACECLI_PORT"] == "5000"


def test_no_secret_is_part_of_the_image(stages):
    words = " ".join(step.rest for stage in stages for step in stage.steps if step.word in ("ENV", "ARG"))
    assert "TOKEN" not in words.upper() and "PASSWORD" not in words.upper()


def test_a_rehearsal_copies_what_docker_would(tmp_path):
    rehearsal = rehearse.Rehearsal(tmp_path)
    assert rehearsal.moved("/opt/facecli/bin/python -m pip --wheel-dir /build/wheels ./opt 'a/opt'") == (
        f"{tmp_path}/opt/facecli/bin/python -m pip --wheel-dir {tmp_path}/build/wheels ./opt 'a/opt'"
    )
    copies = "COPY setup.py README.md ./\nCOPY xml ./xml\nRUN cat setup.py > copy\n"
    text = f"FROM x\nENV A=/opt/a:$PATH\nWORKDIR /build\n{copies}"
    (stage,) = dockerfile.parse(text)
    rehearsal.take(stage)
    made = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert {"build/setup.py", "build/README.md", "build/copy"} <= made
    assert "build/xml/haarcascade_frontalface_alt2.xml" in made
    assert rehearsal.environment["A"].startswith(f"{tmp_path}/opt/a:/")
    with pytest.raises(ValueError, match="lets through"):
        rehearsal.take(dockerfile.parse("FROM x\nCOPY tests ./tests")[0])
    with pytest.raises(subprocess.CalledProcessError):
        rehearsal.take(dockerfile.parse("FROM x\nRUN false; true")[0])


# --- the entry point ------------------------------------------------------------------------------


@pytest.fixture
def pretended(tmp_path):
    """An environment whose `facecli` only says how it was called."""
    command = tmp_path / "facecli"
    command.write_text('#!/bin/sh\nprintf "%s " "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    return {"PATH": f"{tmp_path}:{os.environ['PATH']}"}


ENTRYPOINT = ["/bin/sh", str(ROOT / "docker" / "entrypoint.sh")]


@pytest.mark.parametrize(
    "environment, options, called, warned",
    [
        ({}, [], "serve --host 0.0.0.0 --port 5000 --insecure ", True),
        ({"FACECLI_TOKEN": ""}, [], "serve --host 0.0.0.0 --port 5000 --insecure ", True),
        ({"FACECLI_TOKEN": "a b"}, [], "serve --host 0.0.0.0 --port 5000 ", False),
        ({}, ["--token", "t"], "serve --host 0.0.0.0 --port 5000 --token t ", False),
        ({}, ["--token=t"], "serve --host 0.0.0.0 --port 5000 --token=t ", False),
        ({"FACECLI_PORT": "80"}, ["-v"], "serve --host 0.0.0.0 --port 80 --insecure -v ", True),
    ],
)  # fmt: skip
def test_without_a_token_the_container_warns(pretended, environment, options, called, warned):
    done = subprocess.run(
        [*ENTRYPOINT, *options], env=pretended | environment, text=True, capture_output=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, called)
    assert ("warning: no FACECLI_TOKEN" in done.stderr) is warned


def test_the_health_check_fails_without_a_server():
    environment = os.environ | {"FACECLI_PORT": str(rehearse.free_port())}
    check = [sys.executable, str(ROOT / "docker" / "healthcheck.py")]
    assert subprocess.run(check, env=environment, timeout=60).returncode == 1


@pytest.mark.parametrize("read_only", [False, True], ids=["no home", "read-only root"])
def test_the_container_starts_is_healthy_and_stops(stages, tmp_path, read_only):
    pytest.importorskip("uvicorn", reason="the extra 'web' is not installed")
    if read_only and not rehearse.can_mount():
        pytest.skip("this machine allows no mounts")

    def moved(word):
        return word.replace("/opt/facecli/", f"{ROOT}/docker/")

    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": "/nonexistent",
        "TMPDIR": str(tmp_path),
        "FACECLI_HOME": "/nonexistent/models",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    served = rehearse.serve_once(stages[-1], moved, environment, read_only)
    assert served["seconds to stop"] < 25
    assert not list(tmp_path.iterdir())


# --- compose --------------------------------------------------------------------------------------


def test_compose_hardens_what_caddy_alone_reaches():
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    _, facecli, caddy = re.split(
        r"^  (?:facecli|caddy):$", text.partition("\nvolumes:")[0], flags=re.MULTILINE
    )
    assert "ports:" not in facecli and 'expose: ["5000"]' in facecli
    assert "read_only: true" in facecli and "cap_drop: [ALL]" in facecli
    assert "FACECLI_TOKEN: ${FACECLI_TOKEN:?" in facecli
    assert "./docker/Caddyfile:/etc/caddy/Caddyfile:ro" in caddy
    assert "reverse_proxy facecli:5000" in (ROOT / "docker" / "Caddyfile").read_text(encoding="utf-8")

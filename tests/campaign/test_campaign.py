"""A short piece of the campaign, always the same one; and that it can see faults at all."""

import signal

import pytest

pytest.importorskip("av", reason="the campaign makes clips")

from campaign.bench import Bench
from campaign.campaign import run_campaign
from campaign.case import Tried, parse_name, random_of
from campaign.child import Ended, Limits, run_child
from campaign.judge import Expected, faults_of, leftovers, rows_in
from campaign.kinds import SHARES
from campaign.mutations import mutated, mutated_json
from campaign.report import BEGIN, END, report_lines, write_report

HEAD = "Traceback (most recent call last):"
SLICE = {
    "pictures": range(60),
    "drawn": range(20),
    "bombs": range(4, 7),
    "clips": range(8),
    "drawn_clips": range(1),
    "summaries": range(25),
    "tables": range(15),
    "searches": range(25),
    "search_tables": range(25),
    "read_back": range(2),
    "model_lists": range(30),
    "model_tables": range(30),
    "models": range(4),
    "networks": range(3),
    "kills": range(1),
    "disks": range(3),
    "server": range(4),
}


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path, seed=0)


def test_every_kind_has_a_piece_here():
    assert set(SLICE) == set(SHARES)


@pytest.mark.parametrize("name", SLICE)
def test_a_piece_of_each_kind_shows_no_fault(bench, name):
    kind, _ = SHARES[name]
    assert [(tried.name, tried.faults) for tried in kind.tried(bench, SLICE[name]) if tried.broke] == []


class _Broken:
    name, about, together = "broken", "nothing", 2

    def tried(self, bench, numbers):
        yield Tried(self.name, numbers[:1], "well")
        yield Tried(self.name, numbers[1:], "bad", ("facecli",), ("exit code 9 after 1.5 s",))


def test_a_campaign_tells_and_counts_what_it_finds(bench):
    told: list[Tried] = []
    (tally,) = run_campaign(bench, [(_Broken(), 1)], 0.01, told.append)
    assert tally.cases >= 2 and len(tally.finds) == len(told) == tally.cases // 2
    table = "\n".join(report_lines([tally]))
    assert f"| broken | exit code 9 after 1.5 s | {len(told)} | `--case broken:1`: bad |" in table


def _ended(code=0, stdout=b"", stderr="", peak_bytes=0, stopped=""):
    return Ended(code, stdout, stderr, 1.0, peak_bytes, stopped)


@pytest.mark.parametrize(
    ("ended", "fault"),
    [
        (_ended(-11), "killed by SIGSEGV"),
        (_ended(3, stderr="Error: x\n"), "exit code 3"),
        (_ended(1), "0 lines of 'Error:' with exit code 1"),
        (_ended(1, stderr="Error: x\nError: y\n"), "2 lines of 'Error:' with exit code 1"),
        (_ended(0, stderr="Error: x\n"), "1 lines of 'Error:' with exit code 0"),
        (_ended(0, peak_bytes=800_000_000), "800 MB of memory"),
        (_ended(0, stopped="no end within 60 s"), "no end within 60 s"),
        (_ended(0, stderr="libpng error: x\n"), "a library speaks on standard error: libpng error: x"),
        (
            _ended(1, stderr=f'{HEAD}\n  File "/x/facecli/a.py", line 3, in b\nKeyError: 1'),
            "traceback: KeyError: 1 (a.py:3)",
        ),
    ],
)
def test_every_fault_is_seen(ended, fault):
    assert fault in [*faults_of(ended)]


def test_a_library_that_speaks_breaks_nothing():
    noise = Tried("a", range(1), "", (), tuple(faults_of(_ended(0, stderr="libpng error: x\n"))))
    both = Tried("a", range(1), "", (), (*noise.faults, "exit code 9"))
    assert (bool(noise.faults), noise.broke, both.broke) == (True, False, True)


def test_what_is_documented_is_no_fault():
    assert [*faults_of(_ended(0))] == [*faults_of(_ended(2, stderr="Usage: x\nError: y\n"))] == []
    assert [*faults_of(_ended(-9), Expected(killed=signal.SIGKILL))] == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"error": null, "width": 1, "height": 1, "faces": []}', "the last row is not whole"),
        ('{"width": NaN}\n', 'row 1 is not JSON: {"width": NaN}'),
        (
            '{"error": null, "width": 5, "height": 5, "faces": [{"box_xyxy": [0, 0, 6, 5]}]}\n',
            "box [0, 0, 6, 5] outside 5x5",
        ),
        (
            '{"error": null, "width": null, "height": null, "faces": []}\n',
            "a row without error and without size",
        ),
    ],
)
def test_rows_that_are_not_whole_are_seen(text, fault):
    assert rows_in(text)[1] == [fault]


def test_a_report_goes_between_its_marks(tmp_path):
    path = tmp_path / "a.md"
    write_report(path, ["one"])
    assert path.read_text() == "one\n"
    path.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_report(path, ["two", "three"])
    assert path.read_text() == f"before\n{BEGIN}\ntwo\nthree\n{END}\nafter\n"


def test_hidden_files_are_left_over(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / ".rows-x.jsonl").touch()
    (tmp_path / "rows.jsonl").touch()
    assert leftovers(tmp_path) == ["sub/.rows-x.jsonl"]


def test_a_child_that_does_not_end_is_ended(tmp_path):
    ended = run_child(["sleep", "60"], tmp_path, {"PATH": "/usr/bin:/bin"}, Limits(seconds=0.2))
    assert ended.stopped == "no end within 0 s"


def test_a_case_is_the_same_again():
    first, second = (random_of(7, "pictures", 3) for _ in range(2))
    assert mutated(first, bytes(500)) == mutated(second, bytes(500))
    value = {"a": [1, {"b": "c"}], "d": None}
    assert mutated_json(first, value)[1] == mutated_json(second, value)[1]
    assert value == {"a": [1, {"b": "c"}], "d": None}


def test_names_of_cases():
    assert parse_name("pictures:17") == ("pictures", range(17, 18))
    assert parse_name("drawn:0-99") == ("drawn", range(100))

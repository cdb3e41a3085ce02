"""Keys become actions, actions become states; no window is needed to know that."""

import pytest

from facecli.window.screen import KEYS, Action, Controls, action_of, help_parts


def test_no_key_is_no_action():
    assert action_of(-1) is None and Controls().after(None) == Controls()


@pytest.mark.parametrize(("letter", "action"), KEYS.items())
def test_letters_and_capitals_with_and_without_num_lock(letter, action):
    for key in (ord(letter), ord(letter.upper()), 0x100000 | ord(letter), 0x10000 | ord(letter.upper())):
        assert action_of(key) is action


@pytest.mark.parametrize(("key", "action"), [(27, Action.QUIT), (32, Action.PAUSE)])
def test_escape_and_space(key, action):
    assert action_of(key) is action


@pytest.mark.parametrize("key", [0, 13, ord("x"), ord("1"), 228, 0xFF51, 0xFF53, 0xFFBE, 0x250000, 63234])
def test_other_keys_do_nothing_arrows_neither(key):
    """The low byte of the left arrow, 0xFF51, is a Q."""
    assert action_of(key) is None


@pytest.mark.parametrize("action", [Action.PAUSE, Action.MIRROR, Action.DETAILS, Action.HELP])
def test_switches_go_on_and_off(action):
    once = Controls().after(action)
    assert once != Controls() and once.after(action) == Controls()


@pytest.mark.parametrize("action", [Action.QUIT, Action.SNAPSHOT, Action.RECORD])
def test_what_is_done_once_changes_no_state(action):
    assert Controls().after(action) == Controls()


@pytest.mark.parametrize(
    ("start", "methods"),
    [
        (Controls(), ["blur", "pixelate", "box", None, "blur"]),
        (Controls(anonymize="box"), [None, "blur"]),
        (Controls(protected="blur"), ["pixelate", "box", "blur", "pixelate"]),
    ],
)
def test_anonymise_goes_round_and_what_was_asked_for_at_the_start_is_never_off(start, methods):
    controls, seen = start, []
    for _ in methods:
        controls = controls.after(Action.ANONYMIZE)
        seen.append(controls.anonymize)
    assert seen == methods


def test_help_names_every_key_and_its_state():
    assert [part.split()[0] for part in help_parts(Controls())] == list(KEYS)
    said = help_parts(Controls(paused=True, protected="box"), recording=True)
    assert {"p go on", "a anonymise: box", "r stop recording"} <= set(said)
    assert {"p pause", "a anonymise: off", "r record"} <= set(help_parts(Controls()))

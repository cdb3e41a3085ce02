"""What is to go: calls warn once, the text says all of it, and no promise is outlived."""

import ast
import asyncio
import warnings
from pathlib import Path

import pytest
from packaging.version import Version

import facecli
from facecli.core.errors import Deprecation, deprecated

ROOT = Path(__file__).resolve().parents[2]


def promised() -> list[Deprecation]:
    """Every `Deprecation(...)` of literals in the sources."""
    calls = (
        node
        for path in (ROOT / "src").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Deprecation")
    )
    return [Deprecation(*map(ast.literal_eval, call.args)) for call in calls]


PROMISED = promised()


def old(name):
    """A function that is to go, other than those of other tests."""

    @deprecated(Deprecation(f"{name}()", "1.1.0", "call new()", "2.0.0"))
    def function(number: int, *, more: int = 0) -> int:
        """Doubles."""
        return 2 * number + more

    return function


def test_the_sentence_says_what_since_when_what_instead_and_until_when():
    found = Deprecation("old()", "1.1.0", "call new()", "2.0.0").sentence
    assert found == "old() is deprecated since 1.1.0 and goes in 2.0.0: call new()"


def test_the_first_call_warns_where_it_stands_and_the_function_works_as_before():
    function = old("first")
    with pytest.warns(DeprecationWarning, match=r"first\(\) is deprecated since 1.1.0") as caught:
        assert function(2, more=1) == 5
    assert [warning.filename for warning in caught] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert function(3) == 6


def test_where_warnings_are_errors_the_second_call_works():
    function = old("strict")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DeprecationWarning):
            function(1)
        assert function(1) == 2


def test_who_defines_it_is_not_warned_and_tools_find_the_text():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        function = old("defined")
    assert (function.__name__, function.__doc__) == ("function", "Doubles.")
    assert function.__deprecated__ == "defined() is deprecated since 1.1.0 and goes in 2.0.0: call new()"


def test_methods_and_coroutines_warn_too():
    class Owner:
        @deprecated(Deprecation("Owner.wait", "1.1.0", "await new()", "2.0.0"))
        async def wait(self) -> int:
            return 7

    with pytest.warns(DeprecationWarning, match="Owner.wait"):
        assert asyncio.run(Owner().wait()) == 7


@pytest.mark.parametrize("found", PROMISED, ids=lambda found: found.what)
def test_no_promise_is_outlived_and_things_go_with_a_major_release_only(found):
    now, gone = Version(facecli.__version__), Version(found.removal)
    assert now < gone, f"{found.what} was to go in {found.removal}: take it away"
    assert (gone.minor, gone.micro) == (0, 0) and Version(found.since) <= now


def test_whoever_upgrades_reads_of_all_of_them():
    text = (ROOT / "docs" / "upgrading.md").read_text(encoding="utf-8")
    assert PROMISED and [found.what for found in PROMISED if f"`{found.what}`" not in text] == []

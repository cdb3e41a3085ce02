"""A library that ends the process: tried in processes of their own."""

import subprocess
import sys
import textwrap

import pytest

from facecli.core.process import _library, before_exit

pytestmark = pytest.mark.skipif(_library() is None, reason="needs the GNU C library")


def run(script):
    """What a process that knows `c`, the C library, and `last_words` leaves behind."""
    start = """
        import ctypes, sys
        from facecli.core.process import before_exit
        c = ctypes.CDLL(None)
        def last_words():
            print("closed")
    """
    lines = textwrap.dedent(start) + textwrap.dedent(script)
    return subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, timeout=60)


def test_nothing_happens_to_a_block_that_ends():
    with before_exit(lambda: pytest.fail("called"), aborts=True):
        pass


def test_a_process_that_ends_afterwards_is_left_alone():
    done = run("""
        for _ in range(100):
            with before_exit(last_words, aborts=True):
                pass
        c.exit(7)
    """)
    assert (done.returncode, done.stdout, done.stderr) == (7, "", "")


@pytest.mark.parametrize("end", ["c.exit(0)", "c.abort()"])
def test_files_are_closed_before_the_process_ends(end):
    done = run(f"""
        with before_exit(last_words, aborts=True):
            {end}
    """)
    assert (done.returncode, done.stdout, done.stderr) == (1, "closed\n", "")


def test_aborts_are_noticed_only_where_that_was_asked_for():
    done = run("""
        with before_exit(last_words):
            c.abort()
    """)
    assert done.returncode < 0
    assert done.stdout == ""


def test_an_error_while_closing_does_not_keep_the_process():
    done = run("""
        def last_words():
            raise KeyboardInterrupt
        with before_exit(last_words):
            c.exit(0)
    """)
    assert done.returncode == 1


def test_exceptions_and_ways_out_of_python_pass():
    done = run("""
        with before_exit(last_words):
            sys.exit(5)
    """)
    assert (done.returncode, done.stdout) == (5, "")


def test_what_the_library_says_is_unheard_and_what_python_says_is_not():
    done = run("""
        c.perror(b"before")
        with before_exit(last_words):
            c.perror(b"within")
            print("python", file=sys.stderr)
        c.perror(b"after")
    """)
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["before", "python", "after"]

"""File descriptor 2 is silenced and comes back."""

import os

import pytest

from facecli.core.process import quiet_stderr


def test_what_native_code_writes_is_dropped_only_inside(capfd):
    with quiet_stderr():
        os.write(2, b"noise")
    os.write(2, b"after")
    assert capfd.readouterr().err == "after"


def test_stderr_comes_back_after_an_error(capfd):
    with pytest.raises(KeyError), quiet_stderr():
        raise KeyError
    os.write(2, b"after")
    assert capfd.readouterr().err == "after"

"""An S3 server for tests, and an environment that leads to it."""

import os

import pytest


@pytest.fixture(scope="session")
def s3_process():
    """One server for all tests of this process: a client takes a second to begin."""
    pytest.importorskip("s3fs", reason="the extra [cloud] is not here")
    pytest.importorskip("moto", reason="moto is not here: pip install 'moto[s3]'")
    pytest.importorskip("flask_cors", reason="moto's server needs flask and flask-cors")
    from s3_server import SETTINGS, running_s3

    from facecli.sources import cloud

    with running_s3() as server:
        settings = {**SETTINGS, "AWS_ENDPOINT_URL": server.url}
        with pytest.MonkeyPatch.context() as patch:
            for name, value in settings.items():
                patch.setenv(name, value)
            forget_clients()
            cloud.storage_of("s3://photos").exists("s3://photos/a.jpg")
        yield server, settings
    forget_clients()


@pytest.fixture
def s3(s3_process, monkeypatch):
    """A server with the empty buckets "photos" and "out"; whoever asks for s3:// asks it."""
    server, settings = s3_process
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    server.reset()
    for name in ("photos", "out"):
        server.make_bucket(name)
    return server


@pytest.fixture
def new_clients(s3):
    """Clients that are made anew, with the environment that a test has made."""
    forget_clients()
    yield
    forget_clients()


def forget_clients():
    """Those that were made with another environment."""
    import s3fs

    from facecli.sources import cloud

    s3fs.S3FileSystem.clear_instance_cache()
    cloud._storage.cache_clear()

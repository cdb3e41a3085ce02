"""An S3 server for tests, and an environment that leads to it."""

import pytest


@pytest.fixture
def s3(monkeypatch):
    """A server of its own with the empty bucket "photos"; whoever asks for s3:// asks it."""
    pytest.importorskip("s3fs", reason="the extra [cloud] is not here")
    pytest.importorskip("moto", reason="moto is not here: pip install 'moto[s3]' flask flask-cors")
    pytest.importorskip("flask_cors", reason="moto's server needs flask and flask-cors")
    import s3fs
    from s3_server import SETTINGS, running_s3

    from facecli.sources import cloud

    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    with running_s3() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        s3fs.S3FileSystem.clear_instance_cache()
        cloud._storage.cache_clear()
        server.make_bucket("photos")
        yield server
        cloud._storage.cache_clear()
        s3fs.S3FileSystem.clear_instance_cache()

"""An S3 server on this machine: moto's, which speaks the protocol, and objects that behave badly on purpose.

By the name of the folder a key lies in: "denied/" is refused, "slow/" comes late, "short/" ends before its
announced length, "broken/" is an error of the server. `python s3_server.py` runs one until it is killed.
"""

import hashlib
import threading
import time
from contextlib import contextmanager

ACCOUNT, REGION = "123456789012", "us-east-1"
_DENIED = (
    b'<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>',
    "403 Forbidden",
)
_BROKEN = (
    b'<?xml version="1.0"?><Error><Code>InternalError</Code><Message>Oh no</Message></Error>',
    "500 Internal Server Error",
)


class Faulty:
    """A WSGI application that answers as another one does, but for some keys.

    Attributes:
        asked: "GET /bucket/key" of every request.
        slow_s: how late "slow/" comes.
    """

    def __init__(self, inner):
        self.inner, self.asked, self.slow_s = inner, [], 5.0

    def __call__(self, environ, start_response):
        path = environ["PATH_INFO"]
        self.asked.append(f"{environ['REQUEST_METHOD']} {path}")
        if "/denied/" in path:
            return self._say(start_response, *_DENIED)
        if "/broken/" in path:
            return self._say(start_response, *_BROKEN)
        if environ["REQUEST_METHOD"] == "GET" and "/slow/" in path:
            time.sleep(self.slow_s)
        if environ["REQUEST_METHOD"] == "GET" and "/short/" in path:
            return self._short(environ, start_response)
        return self.inner(environ, start_response)

    def _say(self, start_response, body, status):
        start_response(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [body]

    def _short(self, environ, start_response):
        """All but the last bytes, under the length of all."""
        kept = {}

        def begin(status, headers, *_):
            kept["status"], kept["headers"] = status, headers

        body = b"".join(self.inner(environ, begin))
        start_response(kept["status"], kept["headers"])
        return [body[: len(body) // 2]]


class S3Server:
    """A running server.

    Attributes:
        url: what AWS_ENDPOINT_URL has to be.
        faulty: see `Faulty`.
    """

    def __init__(self, server, faulty):
        self.url, self.faulty = f"http://127.0.0.1:{server.server_port}", faulty

    @property
    def asked(self):
        return self.faulty.asked

    def reset(self):
        """Nothing is there any more, and nobody has asked."""
        backend().reset()
        self.faulty.asked.clear()

    def make_bucket(self, name):
        backend().create_bucket(name, REGION)

    def put(self, bucket, key, data):
        """An object, past the protocol: thousands take a moment."""
        backend().put_object(bucket, key, data)
        return f"s3://{bucket}/{key}"

    def keys(self, bucket, prefix=""):
        return sorted(key for key in backend().buckets[bucket].keys if key.startswith(prefix))

    def get(self, bucket, key):
        return backend().get_object(bucket, key).value

    def etag(self, bucket, key):
        return hashlib.md5(self.get(bucket, key)).hexdigest()


def backend():
    from moto.s3.models import s3_backends

    return s3_backends[ACCOUNT]["aws"]


@contextmanager
def running_s3():
    """An empty server on a free port of this machine."""
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Silent(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log(self, *_):
            pass

    backend().reset()
    faulty = Faulty(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, faulty, threaded=True, request_handler=Silent)
    thread = threading.Thread(target=server.serve_forever, daemon=True, name="s3")
    thread.start()
    try:
        yield S3Server(server, faulty)
    finally:
        server.shutdown()
        server.server_close()
        backend().reset()


SETTINGS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""Of the environment, beside AWS_ENDPOINT_URL."""

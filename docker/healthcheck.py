"""Exit status 0 when the server of this container answers /healthz with 200, else 1."""

import http.client
import os
import sys


def is_healthy(port: int) -> bool:
    """Asks once, for three seconds at most."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(not is_healthy(int(os.environ.get("FACECLI_PORT", "5000"))))

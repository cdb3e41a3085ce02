"""Pictures with a face each, a server that has them, and lists that name them; tests import it by name."""

import http.server
import json
import threading
import time
from collections import Counter
from contextlib import contextmanager

import cv2
import numpy as np

EMOTIONS = ("Angry", "Disgusted", "Fear", "Happy", "Neutral", "Sad", "Surprised")
BANDS = ("20_30", "30_40", "40_50")


def face_picture(number, side=150):
    """(240, 320, 3) uint8 RGB: a small grey face of scikit-image's, another one for each number below 200."""
    from skimage.data import lfw_subset

    face = (255 * lfw_subset()[number % 100]).clip(0, 255).astype(np.uint8)
    if number >= 100:
        face = face[:, ::-1]
    image = np.full((240, 320, 3), 40 + number, np.uint8)
    left = 20 + number % 100
    image[40 : 40 + side, left : left + side] = cv2.resize(face, (side, side))[..., None]
    return image


def encoded(image_rgb, suffix=".jpg"):
    return cv2.imencode(suffix, image_rgb[..., ::-1])[1].tobytes()


def dataturks(number, address):
    """An entry as Dataturks writes it, with a band of age, a gender, an emotion, and eyeglasses or none."""
    labels = [
        f"Age_{BANDS[number % 3]}",
        f"G_{('Male', 'Female')[number % 2]}",
        f"Emotion_{EMOTIONS[number % 7]}",
        f"Glasses_{('No', 'Yes')[number // 3 % 2]}",
    ]
    return {"content": address, "annotation": [{"label": labels, "notes": ""}], "extras": None}


def write_lines(path, rows):
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


class _Handler(http.server.BaseHTTPRequestHandler):
    """/face/7.jpg; /slow/7.jpg likewise, later; /cut/7.jpg half of it; /text no picture; else 404."""

    def do_GET(self):  # noqa: N802
        kind, _, name = self.path.strip("/").partition("/")
        with self.server.lock:
            self.server.asked[self.path] += 1
        if self.server.wait_s:
            time.sleep(self.server.wait_s)
        number = int(name.partition(".")[0] or 0)
        if kind == "slow":
            time.sleep(self.server.slow_s)
        data = {"text": b"no picture at all", "gone": b""}.get(kind)
        data = encoded(self.server.draw(number)) if data is None else data
        data = data[: len(data) // 2] if kind == "cut" else data
        self.send_response(404 if kind == "gone" else 200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        with self.server.lock:
            self.server.answered[self.path] += 1

    def log_message(self, *_):
        pass


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    # Of eight that ask at once none is turned away, however busy the machine is.
    request_queue_size = 64

    def handle_error(self, request, client_address):
        """Clients that are killed are what these tests are about."""


@contextmanager
def picture_server(draw=face_picture):
    """A server with `url`; `asked` and `answered` count the paths. `draw` makes a picture of its number."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.draw = draw
        server.asked, server.answered, server.lock = Counter(), Counter(), threading.Lock()
        server.wait_s, server.slow_s = 0.0, 0.3
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(5)

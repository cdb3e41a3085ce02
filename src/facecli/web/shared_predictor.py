"""One network for all threads: crops of concurrent requests are read in one call."""

import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future

import numpy as np

from facecli.vision.predict import Predictor

_MOST_CROPS = 64
"""Of one call: more would keep the first of them waiting."""


class SharedPredictor:
    """What `Predictor` is to one thread, to many.

    Whoever finds the network free reads all crops that lie there, those of others too (flat combining,
    Hendler, Incze, Shavit & Tzafrir 2010): nobody waits for a batch to fill, and under load it fills.
    """

    def __init__(self, predictors: Sequence[Predictor]) -> None:
        """Takes one or more copies of the same network: so many calls run at once."""
        self._first = predictor = predictors[0]
        self._free: queue.SimpleQueue[Predictor] = queue.SimpleQueue()
        for one in predictors:
            self._free.put(one)
        self.checkpoint = predictor.checkpoint
        self.heads = predictor.heads
        self.image_size = predictor.image_size
        self.calibration = predictor.calibration
        self._waiting: list[tuple[np.ndarray, Future]] = []
        self._list_lock = threading.Lock()
        self.calls = self.crops = 0

    def predict(self, crops: np.ndarray) -> dict[str, np.ndarray]:
        """As `Predictor.predict`, from any thread.

        Args:
            crops: (n, height, width, 3) uint8 RGB, of the checkpoint's image size; n may be 0.

        Returns:
            Head -> (n, classes) float32, rows sum to 1.

        Raises:
            ValueError: crops of another shape or type.
        """
        if len(crops) == 0 or crops.dtype != np.uint8 or crops.shape[1:] != (*self.image_size, 3):
            # Nothing to run, or what the predictor itself refuses.
            return self._first.predict(crops)
        mine: Future = Future()
        with self._list_lock:
            self._waiting.append((crops, mine))
        while self._is_waiting(mine):
            predictor = self._free.get()
            try:
                self._read_some(predictor)
            finally:
                self._free.put(predictor)
        return mine.result()

    def _is_waiting(self, future: Future) -> bool:
        """Has nobody begun to read it?"""
        with self._list_lock:
            return any(one is future for _, one in self._waiting)

    def _read_some(self, predictor: Predictor) -> None:
        """Reads what lies there, the oldest first, and hands it out."""
        taken = self._take()
        if not taken:
            return
        try:
            outputs = predictor.predict(np.concatenate([crops for crops, _ in taken]))
        except Exception as error:  # noqa: BLE001 - raised again in every thread that waits for it
            for _, future in taken:
                future.set_exception(error)
            return
        start = 0
        for crops, future in taken:
            end = start + len(crops)
            future.set_result({head: rows[start:end] for head, rows in outputs.items()})
            start = end
        with self._list_lock:
            self.calls, self.crops = self.calls + 1, self.crops + start

    def _take(self) -> list[tuple[np.ndarray, Future]]:
        with self._list_lock:
            count, crops = 0, 0
            for one, _ in self._waiting:
                if count and crops + len(one) > _MOST_CROPS:
                    break
                count, crops = count + 1, crops + len(one)
            taken, self._waiting = self._waiting[:count], self._waiting[count:]
        return taken

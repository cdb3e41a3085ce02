"""Work for several threads whose results come in the order of their tasks."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from facecli.interrupts import start_threads

Task = TypeVar("Task")
Result = TypeVar("Result")
_PATIENCE_S = 2.0
"""For all threads that still work when nobody wants their results any more."""
NAME = "pictures"
"""Of the threads: `cli` ends the process when one is left behind, waiting for a server."""


class OrderedPool(Generic[Task, Result]):
    """Runs one function of its own in each thread, never far ahead of who takes the results.

    Threads are daemons: one that waits for a server does not hold up Ctrl-C.
    """

    def __init__(self, functions: Iterable[Callable[[Task], Result]], ahead: int) -> None:
        """Starts a thread for each function.

        Args:
            functions: each is called in one thread only.
            ahead: how many tasks are taken before their results are asked for, above 0.
        """
        self._ahead = ahead
        self._todo: SimpleQueue = SimpleQueue()
        self._stopped = False
        self._threads = [
            threading.Thread(target=self._work, args=(function,), daemon=True, name=NAME)
            for function in functions
        ]

    def __enter__(self) -> "OrderedPool":
        start_threads(self._threads)
        return self

    def __exit__(self, *error) -> None:
        self._stopped = True
        for _ in self._threads:
            self._todo.put(None)
        end = time.monotonic() + _PATIENCE_S
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def results(self, tasks: Iterable[Task], wait_s: float | None = None) -> Iterator[Result | None]:
        """Results in the order of the tasks, which are taken as they are needed.

        Args:
            tasks: may be endless; taken in this thread.
            wait_s: when the next result takes longer than this, None comes in between, once.

        Raises:
            whatever a function or `tasks` raises, in its place.
        """
        waiting: deque[SimpleQueue] = deque()
        tasks = iter(tasks)
        while True:
            while len(waiting) < self._ahead and (task := next(tasks, _END)) is not _END:
                waiting.append(SimpleQueue())
                self._todo.put((waiting[-1], task))
            if not waiting:
                return
            answer = waiting.popleft()
            try:
                result, error = answer.get(timeout=wait_s)
            except Empty:
                yield None
                result, error = answer.get()
            if error is not None:
                raise error
            yield result

    def _work(self, function: Callable[[Task], Result]) -> None:
        while (given := self._todo.get()) is not None and not self._stopped:
            # A SimpleQueue, no Future: its wait is one step of C, which Ctrl-C cannot break in two.
            answer, task = given
            try:
                answer.put((function(task), None))
            except BaseException as error:  # noqa: BLE001
                # Whatever it is, it belongs to who asked for the result.
                answer.put((None, error))
            # What was given must not be kept until the next task comes.
            del given, answer, task


_END = object()

"""What runs between the threads of a stream: bounded, closed once, and never a trap.

Built on `queue.SimpleQueue` alone: its calls are single steps of C, so that Ctrl-C in the main
thread cannot leave a lock behind that another thread waits for.
"""

import queue
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple


class End(NamedTuple):
    """The last thing in a channel: nothing follows, because of `error` if there is one."""

    error: BaseException | None = None


class InOrder:
    """Every item, in order; `put` waits while it is full.

    Attributes:
        stop: once it is set, `put` refuses. `wake` must follow, for those who wait already.
    """

    def __init__(self, stop: threading.Event, size: int) -> None:
        self.stop = stop
        self._items: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._room: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.enlarge(size)

    def enlarge(self, places: int) -> None:
        """Makes room for that many items more."""
        for _ in range(places):
            self._room.put(None)

    def put(self, item: Any) -> bool:
        """Waits for room. Was it taken? False after a stop."""
        self._room.get()
        if self.stop.is_set():
            return False
        self._items.put(item)
        return True

    def get(self, timeout_s: float | None = None) -> Any | None:
        """The next item, or `End`; None when there was none in that time (0: at once)."""
        item = _taken(self._items, timeout_s)
        if item is not None and not isinstance(item, End):
            self._room.put(None)
        return item

    def __iter__(self) -> Iterator[Any]:
        return _to_the_end(self)

    def close(self, error: BaseException | None = None) -> None:
        """The giver says that nothing follows; never waits."""
        self._items.put(End(error))

    def wake(self) -> None:
        """After `stop` was set: nobody waits any longer, neither giver nor taker."""
        self._room.put(None)
        self._items.put(End())


class Newest:
    """Only the newest item; `put` never waits and replaces what nobody took. One giver, one taker.

    Attributes:
        shut: while it is true, items are dropped: nobody looks at them.
    """

    def __init__(self, stop: threading.Event) -> None:
        self.stop = stop
        self.shut = False
        self._items: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def put(self, item: Any) -> bool:
        """Was it taken? False after a stop."""
        if self.stop.is_set():
            return False
        if not self.shut:
            _taken(self._items, 0)
            self._items.put(item)
        return True

    def get(self, timeout_s: float | None = None) -> Any | None:
        """The newest item, or `End`; None when there was none in that time (0: at once)."""
        return _taken(self._items, timeout_s)

    def __iter__(self) -> Iterator[Any]:
        return _to_the_end(self)

    def close(self, error: BaseException | None = None) -> None:
        """The giver says that nothing follows the item that lies there."""
        self._items.put(End(error))

    def wake(self) -> None:
        """After `stop` was set: the taker waits no longer."""
        self._items.put(End())


Channel = InOrder | Newest


def _taken(items: queue.SimpleQueue, timeout_s: float | None) -> Any | None:
    try:
        return items.get(block=timeout_s != 0, timeout=timeout_s or None)
    except queue.Empty:
        return None


def _to_the_end(channel: Channel) -> Iterator[Any]:
    """Items as they come. Raises the error that ended them; ends quietly after a stop."""
    while True:
        item = channel.get()
        # A wake-up call may have been replaced by a newer item.
        if channel.stop.is_set():
            return
        if isinstance(item, End):
            if item.error is not None:
                raise item.error
            return
        yield item

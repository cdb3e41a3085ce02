"""Pictures from the web for clients: by the rules of the command line, and without telling what is where."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor

from facecli.errors import ImageError
from facecli.pictures.fetch import Limits as FetchLimits
from facecli.pictures.fetch import fetch
from facecli.web.problems import Problem, busy

log = logging.getLogger(__name__)
_THREADS, _MOST_WAITING = 8, 32


class Fetcher:
    """Fetches beside the workers, so that slow servers hold none of them."""

    def __init__(self, max_bytes: int, whole_s: float = 10.0) -> None:
        """A picture has `max_bytes` at most and must be here within `whole_s` seconds."""
        self._limits = FetchLimits(whole_s=whole_s, connect_s=min(whole_s, 5.0), max_bytes=max_bytes)
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="pictures")
        self._taken = 0

    async def fetch(self, url: str) -> bytes:
        """The content at a public address.

        Raises:
            Problem: it cannot be had, and the client is not told why: who may make a server ask
                must not learn from it which hosts and ports of its network answer.
        """
        if self._taken >= _MOST_WAITING:
            raise busy()
        self._taken += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, fetch, url, False, self._limits)
        except ImageError as error:
            log.info("not fetched: %s", error)
            raise self._refusal() from error
        finally:
            self._taken -= 1

    def _refusal(self) -> Problem:
        detail = (
            "The address gives no picture: it must be public and answer with the picture itself within "
            f"{self._limits.whole_s:g} seconds, {self._limits.max_bytes >> 20} MiB at most."
        )
        return Problem(422, "Address not fetched", detail)

    def close(self) -> None:
        """Leaves those that still wait; each ends by itself in time."""
        self._pool.shutdown(wait=False, cancel_futures=True)

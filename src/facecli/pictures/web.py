"""One picture at an http(s) address."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import unquote

from facecli.pictures.fetch import check_url, fetch
from facecli.pictures.item import Item, shown
from facecli.pictures.names import TargetNames, harmless


class WebSource:
    """Fetched when it is its turn."""

    is_single = True
    total = 1
    path = None
    is_remote = True

    def __init__(self, url: str, allow_private: bool) -> None:
        """Raises InputError for what cannot be an address."""
        check_url(url)
        self._url, self._allow_private = url, allow_private
        self._shown = shown(url)
        host, *folders = re.split("[?#]", self._shown.partition("://")[2], maxsplit=1)[0].split("/")
        last = unquote(folders[-1]).rpartition("/")[2] if folders else ""
        self.name = harmless(last or host)

    def files(self) -> Iterator[Path]:
        """None here."""
        return iter(())

    def items(self, names: TargetNames, prefix: tuple[str, ...]) -> Iterator[Item]:
        """The picture; what is made of it is called like the last part of the address."""
        yield Item(
            self._shown,
            names.claim((self.name,)),
            partial(fetch, self._url, self._allow_private),
        )

"""One picture at an http(s) address."""

from collections.abc import Iterator
from functools import partial
from urllib.parse import unquote, urlsplit

from facecli.pictures.fetch import check_url, fetch
from facecli.pictures.item import Item, as_text
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
        parts = urlsplit(url)
        last = unquote(parts.path, errors="replace").rpartition("/")[2]
        self.name = harmless(last or parts.hostname)

    def items(self, names: TargetNames, prefix: tuple[str, ...]) -> Iterator[Item]:
        """The picture; what is made of it is called like the last part of the address."""
        yield Item(
            as_text(self._url),
            names.claim((self.name,)),
            partial(fetch, self._url, self._allow_private),
        )

"""A picture from the web: bounded in time, size and redirects, and only from public addresses (SSRF)."""

import contextlib
import http.client
import ipaddress
import queue
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urljoin, urlsplit

from facecli.core.console import redacted
from facecli.core.errors import ImageError, InputError, PrivateAddressError
from facecli.core.files import TargetNames, harmless_name
from facecli.sources.files import Entry, Item, shown

if TYPE_CHECKING:
    from urllib.parse import SplitResult

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_UNICAST = ipaddress.ip_network("2000::/3")
"""All of IPv6 that is given out (RFC 4291): what lies outside is local, translated, or nothing yet."""
_SPECIAL = tuple(
    map(
        ipaddress.ip_network,
        ("192.0.0.0/24", "192.88.99.0/24", "240.0.0.0/4", "2001:2::/48", "2001:10::/28", "2001:20::/28",
         "2001:db8::/32", "3fff::/20"),
    )
)  # fmt: skip
"""For protocols, clouds' metadata, tests and books, which some versions of Python take for public."""
_ISATAP = 0x5EFE

_CHUNK = 1 << 16
_REDIRECTS = (301, 302, 303, 307, 308)
_PORTS = {"http": 80, "https": 443}
_HEADERS = {
    "User-Agent": "facecli",
    "Accept": "image/*",
    "Accept-Encoding": "identity",
    "Connection": "close",
}


def resolve_host(host: str, port: int, allow_private: bool, within_s: float = 30.0) -> list[tuple[Any, ...]]:
    """Addresses of a host, to be connected to as they are: a name may mean another one a moment later.

    Args:
        host: name or address.
        port: of the service.
        allow_private: also those of the own network and machine.
        within_s: seconds to wait for the name to be known.

    Returns:
        Tuples of `socket.getaddrinfo`, at least one.

    Raises:
        ImageError: unknown host, or one of its addresses is not public (PrivateAddressError).
        TimeoutError: nobody said it in time.
    """
    try:
        found = _looked_up(host, port, within_s)
    except TimeoutError:
        raise
    except (OSError, UnicodeError) as error:
        raise ImageError(f"no address for host {host}; check it, and the network") from error
    asked = [str(address[4][0]) for address in found]
    refused = [one for one in asked if not is_public_address(one)]
    if refused and not allow_private:
        known = "" if host == refused[0] else f" {refused[0]},"
        raise PrivateAddressError(f"{host} is{known} a private address", "add --allow-private to allow it")
    return found


def _looked_up(host: str, port: int, within_s: float) -> list[tuple[Any, ...]]:
    """As `socket.getaddrinfo`, which itself waits as long as the system likes. Raises TimeoutError beside."""
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answers.put(error)

    threading.Thread(target=look_up, name="names", daemon=True).start()
    try:
        answer = answers.get(timeout=within_s)
    except queue.Empty:
        raise TimeoutError(f"no address for host {host} within {within_s:g} s") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def is_public_address(address: str) -> bool:
    """Does the address belong to the open internet? What wraps an IPv4 address counts as that one, too."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if not all(is_public_address(str(inner)) for inner in _wrapped(ip)):
        return False
    if ip.version == 6:
        reachable = ip in _NAT64 or ip.ipv4_mapped is not None or ip in _UNICAST
    else:
        reachable = ip.is_global
    return reachable and not ip.is_multicast and not any(ip in net for net in _SPECIAL)


def _wrapped(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Iterator[ipaddress.IPv4Address]:
    """IPv4 addresses in a mapped, NAT64, 6to4, Teredo or ISATAP one (RFC 4291, 6052, 3056, 4380, 5214)."""
    if ip.version == 4:
        return
    low = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    if ip in _NAT64 or ip.ipv4_mapped is not None or (int(ip) >> 32) & 0xFCFFFFFF == _ISATAP:
        yield low
    if ip.sixtofour is not None:
        yield ip.sixtofour
    if ip.teredo is not None:
        yield from ip.teredo


@dataclass(frozen=True)
class FetchLimits:
    """What an answer may take: seconds for all of it and to connect, bytes, and redirects."""

    whole_s: float = 30.0
    connect_s: float = 10.0
    max_bytes: int = 64 << 20
    redirects: int = 5


LIMITS = FetchLimits()


def is_url(given: str) -> bool:
    """Is it an http(s) address?"""
    return given.lower().startswith(("http://", "https://"))


def check_url(url: str) -> None:
    """Raises InputError for an address without a host, with a wrong port, or with a login in it."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        # Its text would show what it takes for host and port, which may be part of a password.
        raise InputError(
            f"{redacted(url)!r} is not an address: its host or port is wrong; check it"
        ) from None
    if not host:
        raise InputError(f"{redacted(url)!r} has no host; check it")
    if parts.username is not None:
        raise InputError(
            f"the address {redacted(url)} contains a login, which facecli does not send; download "
            "the file first"
        )


def fetch(url: str, allow_private: bool = False, limits: FetchLimits = LIMITS) -> bytes:
    """The content at an address. No proxy is used.

    Args:
        url: http or https.
        allow_private: also from the own network and machine.
        limits: where to give up.

    Raises:
        ImageError: no answer, not in time, not 200, too long, redirected too often or in a circle,
            to a private address or to what is no web address, or a page instead of a picture.
    """
    end = time.monotonic() + limits.whole_s
    seen = [url]
    while True:
        answer = _ask(seen[-1], allow_private, limits, end)
        if isinstance(answer, bytes):
            return answer
        if answer in seen:
            raise ImageError(f"{redacted(url)} redirects in a loop; give another address")
        if len(seen) > limits.redirects:
            raise ImageError(
                f"{redacted(url)} redirects more than {limits.redirects} times; name the picture itself"
            )
        seen.append(answer)


def _ask(url: str, allow_private: bool, limits: FetchLimits, end: float) -> bytes | str:
    """The content, or the address that the answer redirects to."""
    parts, called = urlsplit(url), redacted(url)
    # An address without a host is refused by `check_url`; nobody would know the name "" either.
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    with _Connection(host, port, parts.scheme == "https") as line:
        with _translated(called, line, limits):
            line.open(allow_private, limits.connect_s, end)
            response = line.get(_path(parts))
            location = response.getheader("Location")
            if response.status in _REDIRECTS and location:
                return _redirected(url, location)
            if response.status != 200:
                raise ImageError(f"{called} answers {response.status} {response.reason}"[:300])
            data = _read(called, response, limits)
            if line.is_late:
                # Without an announced length the cut looks like the end.
                raise TimeoutError
    if data[:200].lstrip()[:1] == b"<" and "html" in response.getheader("Content-Type", ""):
        raise ImageError(f"{called} is a web page, not a picture; give the address of the picture itself")
    return data


@contextlib.contextmanager
def _translated(called: str, line: "_Connection", limits: FetchLimits) -> Iterator[None]:
    """Errors of the network as ImageError."""
    try:
        yield
    except (OSError, http.client.HTTPException, ValueError) as error:
        if line.is_late or isinstance(error, TimeoutError):
            raise ImageError(f"{called} does not answer completely within {limits.whole_s:g} s") from error
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise ImageError(f"cannot read {called}: {' '.join(reason.split())[:200]}") from error


def _redirected(url: str, location: str) -> str:
    """The address behind a redirect."""
    called = redacted(url)
    try:
        target = urljoin(url, location)
    except ValueError:
        raise ImageError(
            f"{called} redirects to {redacted(location)[:100]!r}, which is not an address"
        ) from None
    if not is_url(target):
        raise ImageError(f"{called} redirects to {redacted(target)[:100]!r}, which is not a web address")
    try:
        check_url(target)
    except InputError as error:
        raise ImageError(f"{called} redirects to a forbidden address: {error}") from error
    return target


def _path(parts: "SplitResult") -> str:
    path = quote(parts.path, safe="/%:@!$&'()*+,;=~-._") or "/"
    return f"{path}?{quote(parts.query, safe='/%:@!$&()*+,;=~-._?[]')}" if parts.query else path


def _read(called: str, response: http.client.HTTPResponse, limits: FetchLimits) -> bytes:
    too_long = ImageError(f"{called} sends more than {limits.max_bytes:,} bytes; fetch it yourself")
    if (response.length or 0) > limits.max_bytes:
        raise too_long
    data = bytearray()
    while chunk := response.read(_CHUNK):
        data += chunk
        if len(data) > limits.max_bytes:
            raise too_long
    if response.length:
        raise ImageError(f"{called} ends {response.length:,} bytes too early; try again")
    return bytes(data)


class _Connection:
    """One question to one host; whatever it waits for ends when its time is over."""

    def __init__(self, host: str, port: int, is_secure: bool) -> None:
        self._host, self._port, self._is_secure = host, port, is_secure
        self._socket: socket.socket | None = None
        self._timer: threading.Timer | None = None
        self.is_late = False

    def __enter__(self) -> "_Connection":
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._socket is not None:
            self._socket.close()

    def open(self, allow_private: bool, connect_s: float, end: float) -> None:
        """Connects to the first of the host's addresses that answers.

        `end` is the time on the monotonic clock at which all must be over, the search for the name included.
        """
        found = resolve_host(self._host, self._port, allow_private, _left_s(end))
        self._timer = threading.Timer(_left_s(end), self._give_up)
        self._timer.daemon = True
        self._timer.start()
        for tries, (family, kind, protocol, _, address) in zip(range(len(found), 0, -1), found, strict=True):
            try:
                self._socket = socket.socket(family, kind, protocol)
                # Each has its share of the time: one that is silent leaves enough for the next.
                self._socket.settimeout(min(connect_s, _left_s(end) / tries))
                self._socket.connect(address)
                break
            except OSError:
                if self._socket is not None:
                    self._socket.close()
                if tries == 1 or self.is_late:
                    raise
        assert self._socket is not None
        self._socket.settimeout(_left_s(end))
        if self._is_secure:
            context = ssl.create_default_context()
            self._socket = context.wrap_socket(self._socket, server_hostname=self._host)

    def get(self, path: str) -> http.client.HTTPResponse:
        """Asks for a path and reads the head of the answer."""
        asking = http.client.HTTPConnection(self._host, self._port)
        asking.sock = self._socket
        if self._is_secure:
            asking.default_port = _PORTS["https"]
        asking.request("GET", path, headers=_HEADERS)
        return asking.getresponse()

    def _give_up(self) -> None:
        """Answers that come drop by drop keep every single wait short; this ends them."""
        self.is_late = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


def _left_s(end: float) -> float:
    """Until then on the monotonic clock; never 0, which would be for ever."""
    return max(end - time.monotonic(), 0.001)


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
        self.name: str = harmless_name(last or host)

    def files(self) -> Iterator[Path]:
        """None here."""
        return iter(())

    def entries(self, after: str = "") -> Iterator[Entry]:
        """The address, when it lies behind `after`. Raises InputError when it holds a secret."""
        if self._shown != self._url:
            raise InputError(f"{self._shown} contains a secret, which must not be written to a file")
        if self._url > after:
            yield Entry(self._url)

    def items(self, names: TargetNames, prefix: tuple[str, ...]) -> Iterator[Item]:
        """The picture; what is made of it is called like the last part of the address."""
        yield Item(
            self._shown,
            names.claim((self.name,)),
            partial(fetch, self._url, self._allow_private),
        )

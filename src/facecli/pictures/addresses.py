"""Which hosts may be asked for a picture: an address in a list must not reach into the user's network."""

import ipaddress
import socket

from facecli.errors import ImageError

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def resolve(host: str, port: int, allow_private: bool) -> list[tuple]:
    """Addresses of a host, to be connected to as they are: a name may mean another one a moment later.

    Args:
        host: name or address.
        port: of the service.
        allow_private: also those of the own network and machine.

    Returns:
        Tuples of `socket.getaddrinfo`, at least one.

    Raises:
        ImageError: unknown host, or one of its addresses is not public.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ImageError(f"no address for host {host}; check it, and the network") from error
    asked = [str(address[4][0]) for address in found]
    refused = [one for one in asked if not is_public(one)]
    if refused and not allow_private:
        known = "" if host == refused[0] else f" {refused[0]},"
        raise ImageError(f"{host} is{known} a private address; add --allow-private to ask it")
    return found


def is_public(address: str) -> bool:
    """Does the address belong to the open internet? Those that wrap an IPv4 address count as that one."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    inner = _wrapped(ip)
    if inner is not None:
        return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


def _wrapped(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address behind a mapped, 6to4, Teredo or NAT64 one (RFC 4291, 3056, 4380, 6052)."""
    if ip.version == 4:
        return None
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo and ip.teredo[1])

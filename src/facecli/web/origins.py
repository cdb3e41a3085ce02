"""Whose page asks? Browsers tell the origin; pages of others may not use this server."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers

_PORTS = {"http": 80, "https": 443}


def same_origin(headers: Headers) -> bool:
    """Is the page that asks one of ours? Clients that are no browser send no origin, and pass."""
    origins, hosts = headers.getlist("origin"), headers.getlist("host")
    if not origins:
        return True
    try:
        origin = urlsplit(origins[0])
        host = urlsplit(f"//{hosts[0]}") if hosts else origin
        default = _PORTS.get(origin.scheme)
        theirs = origin.hostname, origin.port or default
        ours = host.hostname, host.port or default
    except ValueError:
        return False
    return len(origins) == len(hosts) == 1 and default is not None and theirs == ours


def host_name(headers: Headers) -> str | None:
    """The name in the `Host` header without its port, in small letters; None when it is not one name."""
    hosts = headers.getlist("host")
    try:
        return urlsplit(f"//{hosts[0]}").hostname if len(hosts) == 1 else None
    except ValueError:
        return None

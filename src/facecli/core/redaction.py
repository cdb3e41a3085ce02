"""Addresses as people may see them: without the logins, passwords and tokens that stand in them."""

import re
from urllib.parse import unquote

HIDDEN = "***"
"""Stands where something was left out."""
_START = re.compile(r"\A[a-z][a-z0-9+.-]+:/+|://+", re.IGNORECASE)
"""Also "rtsp:/host", which is mistyped and has its password all the same."""
_DATA = re.compile(r"data:(?:[^,]{0,60},)?(?=.{40})", re.IGNORECASE | re.DOTALL)
"""The head of an address that is itself the content (RFC 2397), which may be megabytes long."""
_PLACE = re.compile("[/?#]")
"""Ends the host."""
_NAMED = re.compile("(?<![^/?&#;=])([^/?&#;=]*)=")
_SECRET = re.compile(
    r"pas|pwd|psw|secret|token|credential|signature|hmac|session|bearer|jwt|api.?key|access.?key|auth(?!or)"
    r"|user|usr|login|(?:\A|[^a-z])(?:key|sig|sid|pin|code|pw|sas|ticket)\Z"
)
"""Fits what stands before "=" in addresses of cameras and in signed ones, in small letters."""
_STORAGE = re.compile(r"\A(?:s3|gs|az|hf)://", re.IGNORECASE)
_MOST_QUOTED = 3
"""So often an address within an address may have been quoted."""


def is_storage_address(given: str) -> bool:
    """Is it an address of object storage: s3://bucket/key, gs://, az:// or hf://?"""
    return bool(_STORAGE.match(given))


def redacted(given: str) -> str:
    """What messages, rows, logs and file names show of what was given.

    A login goes with all that stands before its "@". Where a password is not quoted and has "@", "/", "?"
    or "#" in it, nobody can tell where it ends: then everything up to the last "@" is hidden, the host
    perhaps, too. Behind the first name of a secret and its "=", in path, query or fragment, all is hidden
    likewise: a password may hold "&". Of "data:" addresses the head is kept. Keys of object storage are kept
    up to a "?": "s3://photos/user=7/a.jpg" is how tables are laid out there, and tells objects apart.

    Args:
        given: an address; anything else is given back as it is.
    """
    if data := _DATA.match(given):
        return f"{data[0]}..."
    start = _START.search(given)
    if start is None:
        return given
    visible = _visible_key if is_storage_address(given) else _visible
    return given[: start.end()] + visible(given[start.end() :])


def _visible_key(rest: str) -> str:
    """Of what follows "s3://": a login stands before the bucket, a signature behind "?"."""
    bucket = rest.partition("/")[0]
    if ":" in bucket:
        # A key of AWS may hold "/", and no bucket's name has a colon.
        end = rest.rfind("@") + 1
        return f"{HIDDEN}@{rest[end:]}" if end else HIDDEN
    end = bucket.rfind("@") + 1
    if rest[:end] == f"{HIDDEN}@":
        end = 0
    mark = rest.find("?", end)
    secret = _secret_start(rest[mark:]) if mark >= 0 else None
    return rest[end:] if secret is None else f"{rest[end : mark + secret]}{HIDDEN}"


def _visible(rest: str) -> str:
    """Of what follows "://"."""
    begin, end = _login_end(rest), _secret_start(rest)
    if end is not None and end < begin:
        return HIDDEN
    # What was shown before stays as it is.
    marked = _PLACE.search(rest[:begin]) or rest[:begin] == f"{HIDDEN}@"
    login = f"{HIDDEN}@" if marked else ""
    if end is not None:
        return f"{login}{rest[begin:end]}{HIDDEN}"
    shown = f"{login}{rest[begin:]}"
    return f"{shown[: shown.index('%')]}{HIDDEN}" if _has_quoted_secret(rest[begin:]) else shown


def _login_end(rest: str) -> int:
    """Where "user:password@" ends; 0 without one, as in "host/photo@2x.jpg"."""
    place = _PLACE.search(rest)
    end = rest.rfind("@") + 1
    if not (end and ("@" in rest[: place.start() if place else None] or ":" in rest[:end])):
        end = 0
    # A login that was quoted as a whole, perhaps behind another one.
    quoted = rest.find(":", end), rest.rfind("%40")
    return quoted[1] + 3 if end <= quoted[0] < quoted[1] else end


def _secret_start(rest: str) -> int | None:
    """Where the value of the first secret begins, behind the host; None without one."""
    place = _PLACE.search(rest)
    for named in _NAMED.finditer(rest, place.start()) if place else ():
        if _SECRET.search(unquote(named[1]).lower()):
            return named.end()
    return None


def _has_quoted_secret(rest: str) -> bool:
    """Does an address within this one hold a login or a secret?"""
    plain = rest
    for _ in range(_MOST_QUOTED):
        plain = unquote(plain)
        inner = plain.partition("://")[2]
        if plain != rest and (_secret_start(plain) is not None or _login_end(inner)):
            return True
    return False

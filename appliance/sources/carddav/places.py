"""The only home of how addresses on a contacts server are told apart and compared.

Servers write one address in many ways: whole or from the root, `@` as itself or as %40. Two ways
of writing are one place if their parts say the same bytes.
"""

from __future__ import annotations

from urllib.parse import quote, unquote_to_bytes

from ..origins import Address, read

_AS_IT_STANDS = "%/:?#[]@!$&'()*+,;=~"


def resolved(href: str, base: Address) -> Address:
    """Given an address as a server wrote it and where it was told, return it whole.

    Raise SourceRefused where it is none.
    """
    return read(quote(href.strip(), _AS_IT_STANDS), base)


def key(address: Address) -> str:
    """Return the one way in which we write a path, without a slash at its end."""
    return written(address.url.path or "/").rstrip("/") or "/"


def key_of(href: str, base: Address) -> str:
    """Given an address as a server wrote it, return its key: the same as `key` of it resolved.

    Which server it names does not matter: behind a proxy many name themselves otherwise.
    """
    path = href.strip().partition("?")[0].partition("#")[0]
    if not path.startswith("/") and "://" in path:
        path = "/" + path.partition("://")[2].partition("/")[2]
    if not path.startswith("/"):
        return key(resolved(href, base))
    return written(path).rstrip("/") or "/"


def written(path: str) -> str:
    """Return a path with each of its parts written in the one way."""
    return "/".join(quote(unquote_to_bytes(part), safe="") for part in path.split("/"))


def last_part(key_: str) -> str:
    """Return the last part of a key, as it is written there."""
    return key_.rpartition("/")[2]


def for_people(key_: str) -> str:
    """Return a key or a part of one, as people would write it."""
    return unquote_to_bytes(key_).decode("utf-8", "replace")

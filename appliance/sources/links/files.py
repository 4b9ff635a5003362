"""The only home of how each kind of file that holds a link is read."""

from __future__ import annotations

import plistlib
import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from ...core.errors import ExportUnsafe
from ...core.links import as_typed
from . import mail
from .link import MOST_BYTES, Link, Links, ending

_MOST_LINES = 20
_ONLY_A_LINK = re.compile(r"https?://\S{1,8000}", re.IGNORECASE)
_OUTLOOK = "Save the mail as .eml (or copy the link from it), and put that into the inbox."
_NONE = "Copy the link from where it works, and save it anew."


def read(name: str, data: bytes) -> Links:
    """Given a file's name and what is in it, return its links; raise ExportUnsafe, whose sentence
    begins with "It", where there are none.
    """
    found = _READERS[ending(name)](data)
    if not found.links:
        raise ExportUnsafe("It holds no link.", hint=_NONE)
    return found


def links_alone(data: bytes) -> Links | None:
    """Given a text file, return its links where it has nothing else; None where it has."""
    lines = [each for each in map(str.strip, _decoded(data).splitlines()) if each]
    if not 0 < len(lines) <= _MOST_LINES or len(data) > MOST_BYTES:
        return None
    if not all(map(_ONLY_A_LINK.fullmatch, lines)):
        return None
    return Links(tuple(Link((each,)) for each in dict.fromkeys(map(as_typed, lines))))


def _shortcut(data: bytes) -> Links:
    """A Windows shortcut to an address: `[InternetShortcut]`, `URL=`."""
    return Links(tuple(_values(data, "[internetshortcut]", "url")))


def _desktop(data: bytes) -> Links:
    """A link of a Linux desktop; see the Desktop Entry Specification, `Type=Link`."""
    if "type=link" not in re.sub(r"\s*=\s*", "=", _decoded(data).lower()).splitlines():
        raise ExportUnsafe("It starts a program and holds no link.", hint=_NONE)
    return Links(tuple(_values(data, "[desktop entry]", "url")))


def _values(data: bytes, section: str, wanted: str) -> Iterator[Link]:
    here = ""
    for line in map(str.strip, _decoded(data).splitlines()):
        here = line.lower() if line.startswith("[") else here
        key, _, value = line.partition("=")
        if here == section and key.strip().lower() == wanted and value.strip():
            yield Link((as_typed(value),))
            return


def _webloc(data: bytes) -> Links:
    """A link of macOS: a property list, as XML (where no entity may be declared) or binary."""
    try:
        told = plistlib.loads(data)
        link = told["URL"]
    except Exception:  # noqa: BLE001 - plistlib raises whatever a broken list makes it stumble over
        raise ExportUnsafe("It cannot be read as a link.", hint=_NONE) from None
    return Links((Link((as_typed(link),)),) if isinstance(link, str) and link.strip() else ())


def _of_outlook(_: bytes) -> Links:
    raise ExportUnsafe("It is a mail in a form that only Outlook reads.", hint=_OUTLOOK)


def _decoded(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    return data.decode("utf-8-sig", "replace")


_READERS: Mapping[str, Callable[[bytes], Links]] = MappingProxyType(
    {
        "url": _shortcut,
        "webloc": _webloc,
        "desktop": _desktop,
        "eml": mail.read,
        "msg": _of_outlook,
    }
)

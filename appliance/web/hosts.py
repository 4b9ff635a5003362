"""The only home of which hosts are the box itself: its names, and the address one came to (E5)."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ..core.address import Address

HERE = "appliance.here"
"""In a request's environment: the address of ours that its connection came to."""
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9.-]{1,253})(?::[1-9][0-9]{0,4})?", re.ASCII)
_HOST_NAME = Path("/etc/hostname")
_LOCAL = "localhost"
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - only compared
_NOBODY = "192.0.2.1"  # RFC 5737: for documents


def names(further: Iterable[str] = ()) -> frozenset[str]:
    """Return the names of this machine as they are now, and those that the office gave it."""
    own = {socket.gethostname()}
    with suppress(OSError, ValueError):  # a caged process sees a name of its start in the kernel
        own.add(_HOST_NAME.read_text(encoding="ascii").strip())
    short = {name.partition(".")[0] for name in own}
    found = own | short | {f"{name}.local" for name in short} | set(further) | {_LOCAL}
    return frozenset(name.lower() for name in found if name)


def is_ours(host: str, here: str, further: Iterable[str] = ()) -> bool:
    """Given a request's Host header and the address that it came to, return whether we are meant.

    An address is ours if the connection came to it: so another address that the box is given
    counts at once. A name that an attacker has resolved to us is none of ours.
    """
    found = _HOST.fullmatch(host)
    if found is None:
        return False
    name = found[1].lower()
    address = _address(name.strip("[]"))
    if address is not None:
        return address == _address(here)
    return name in names(further)


def plainly(address: str) -> str:
    """Given an address as a socket says it, return it as people write it: without a zone, and IPv4
    as such.
    """
    found = _address(address)
    return str(found) if found is not None else address


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def url(listen: Address) -> str:
    """Given where the page listens, return what a person types to see it."""
    host = listen.host if listen.host not in _EVERYWHERE else address() or _LOCAL
    return f"https://{Address(host, listen.port)}/"


def address() -> str:
    """Return the address that others in the office reach the box by; "" without a network.

    Nothing is sent: the kernel is asked which way a packet to an address that nobody has would go.
    """
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.connect((_NOBODY, 9))
        return str(asking.getsockname()[0])
    return ""

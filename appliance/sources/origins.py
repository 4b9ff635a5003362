"""The only home of where a source's requests and credentials may go.

An address is taken apart once, by the library that also connects to it, so that what is judged
is what is called. Nothing here ever shows the part of an address after `?`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from urllib.parse import quote, unquote_plus, urljoin

from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from ..core.errors import SourceRefused

_PORTS = {"https": 443, "http": 80}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_JOINABLE = "%/:?#[]@!$&'()*+,;=~"


@dataclass(frozen=True, slots=True)
class Address:
    """Where one request goes."""

    url: Url

    @property
    def scheme(self) -> str:
        """`https` or `http`."""
        return self.url.scheme or ""

    @property
    def host(self) -> str:
        """The host's name or number, in small letters, without brackets or a final dot."""
        return (self.url.host or "").strip("[]").rstrip(".").lower()

    @property
    def port(self) -> int:
        """The port, the scheme's own where none is written."""
        return self.url.port or _PORTS[self.scheme]

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: what credentials are given to."""
        return self.scheme, self.host, self.port

    @property
    def target(self) -> str:
        """Path and query, as they stand in the request's first line."""
        return self.url.request_uri

    @property
    def is_plain(self) -> bool:
        """Whether it goes over the wire unprotected."""
        return self.scheme != "https"

    def with_query(self, pairs: Sequence[tuple[str, str]]) -> Address:
        """Return the address with parameters added, those left out that it already has."""
        have = {part.partition("=")[0] for part in (self.url.query or "").split("&")}
        new = [f"{quote(k, '')}={quote(v, '')}" for k, v in pairs if quote(k, "") not in have]
        query = "&".join(filter(None, [self.url.query, *new]))
        return Address(self.url._replace(query=query or None))

    def without_query(self, names: Collection[str]) -> Address:
        """Return the address without these parameters."""
        parts = (self.url.query or "").split("&")
        left = [part for part in parts if unquote_plus(part.partition("=")[0]) not in names]
        return Address(self.url._replace(query="&".join(left) or None)) if names else self


def read(text: str, base: Address | None = None) -> Address:
    """Given an address, or a redirect's target and where it was told, return it taken apart.

    Raise SourceRefused where it is none, holds a password, or is of another scheme than http(s).
    """
    if not text.isprintable() or "\\" in text or " " in text:
        raise _refused("It has characters that no address has.")
    try:
        url = parse_url(urljoin(base.url.url, quote(text, _JOINABLE)) if base else text)
    except (LocationParseError, ValueError):
        raise _refused("It cannot be understood.") from None
    if url.scheme not in _PORTS or not url.host:
        raise _refused("It does not begin with https://.")
    if url.auth:
        raise _refused("It has a user name in it.")
    return Address(url)


@dataclass(frozen=True, slots=True)
class Reach:
    """Where the requests of one source may go, and where its credentials may."""

    home: Address | None = None
    """The one address that a source was given, if it was given one."""
    hosts: tuple[str, ...] = ()
    """Further hosts, as globs, that a redirect may lead to."""
    credential_hosts: tuple[str, ...] = ()
    """Further hosts, as globs, that are shown the credentials."""
    anywhere: bool = False
    """Whether a request without credentials may go to any host out in the internet."""
    key: str = "hosts"
    """Where an office lists them."""

    @property
    def _named(self) -> tuple[str, ...]:
        own = (self.home.host,) if self.home else ()
        return (*own, *self.hosts, *self.credential_hosts)

    def check(self, target: Address, told_by: Address | None = None) -> None:
        """Raise SourceRefused where no request may go to `target`.

        `told_by` is where a redirect came from: one never leads from https to http.
        """
        if target.is_plain and (not is_loopback(target.host) or (told_by and not told_by.is_plain)):
            raise SourceRefused(
                f"The address at {target.host} is not protected: it begins with http://.",
                hint="Use the address that begins with https://.",
            )
        if not (self.anywhere or _matches(target.host, self._named)):
            raise SourceRefused(
                f"The server sends us on to {target.host}, which this source does not list.",
                hint=f'If that is where the vendor keeps its files, add "{target.host}" to the'
                f" `{self.key}` of this source.",
            )

    def shows_credentials(self, target: Address) -> bool:
        """Return whether the credentials go along to `target`."""
        if self.home and target.origin == self.home.origin:
            return True
        may_be_plain = self.home is None  # then it is a service of this very machine, see `check`
        return (may_be_plain or not target.is_plain) and _matches(
            target.host, self.credential_hosts
        )

    def check_peer(self, target: Address, peer: str) -> None:
        """Given the number that was connected to, raise SourceRefused where it is out of bounds.

        A host that only a pattern allows must be out in the internet: else whoever controls a
        name below it could point us at the router. Plain http stays on this machine.
        """
        by_name = set(map(str.lower, self._named))
        inside = target.host not in by_name and not is_public(peer)
        if inside or (target.is_plain and not is_loopback(peer)):
            raise SourceRefused(
                f"{target.host} leads into the private network, where this source has no business.",
                hint=f'If that is right, add "{target.host}" to the `{self.key}` of this source by'
                " its full name.",
                detail=f"connected to {peer}",
            )


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine by definition, whatever a name server says."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_public(number: str) -> bool:
    """Return whether an IP address lies in the open internet, looking through wrapped IPv4."""
    address = ipaddress.ip_address(number.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        wrapped = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            wrapped = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        address = wrapped or address
    return address.is_global and not address.is_multicast


def _matches(host: str, globs: Sequence[str]) -> bool:
    return any(glob.strip("*?.") and fnmatchcase(host, glob.lower()) for glob in globs)


def _refused(why: str) -> SourceRefused:
    return SourceRefused(
        "The address of the export cannot be used.",
        hint=f"{why} Check the `url` of this source.",
    )

"""The only home of HTTP requests: one connection, one question, one answer whose body is unread.

urllib3 is driven directly. What would do things by itself (redirects, retries, decoding, proxies,
.netrc, cookies) is off or not there. There is no way to switch the check of certificates off.
"""

from __future__ import annotations

import hashlib
import re
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, ProtocolError, SSLError

from ..core.errors import ExportUnsafe, SourceRefused
from . import answers
from .origins import Address, Reach

READ_BYTES = 1 << 20
_USER_AGENT = "appliance"
_CHANGES_NOTHING = frozenset({"GET", "PROPFIND", "REPORT"})
_SPAN = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's answer whose body is still to be read."""

    address: Address
    response: BaseHTTPResponse

    @property
    def status(self) -> int:
        """The three digits."""
        return self.response.status

    @property
    def headers(self) -> Mapping[str, str]:
        """Found by any spelling of their names."""
        return self.response.headers

    @property
    def length(self) -> int | None:
        """How many bytes of body are announced, None where that is not known."""
        return None if _is_chunked(self.headers) else self.response.length_remaining

    @property
    def is_framed(self) -> bool:
        """Whether the end of the body is told apart from a broken connection."""
        return self.length is not None or _is_chunked(self.headers)

    @property
    def etag(self) -> str:
        """What vouches for every byte, empty where nothing does."""
        return answers.strong_etag(self.headers)

    def close(self) -> None:
        """Read no more of it."""
        self.response.close()


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a server proved itself by, once that was found in order."""

    issuer: str
    until: str
    """As the certificate writes it."""
    fingerprint: str
    """SHA-256, in pairs of hexadecimal digits."""


def continues(first: Answer, rest: Answer, have_bytes: int) -> bool:
    """Return whether a 206 is exactly the missing end of the same bytes (RFC 9110, 14.4)."""
    told = _SPAN.fullmatch(rest.headers.get("Content-Range", ""))
    if not told:
        return False
    start, end, size = map(int, told.groups())
    whole = start == have_bytes and end + 1 == size
    announced = first.headers.get("Content-Length", str(size)) == str(size)
    left = rest.length is None or rest.length == size - have_bytes
    same = rest.headers.get("ETag", first.etag) == first.etag
    return whole and announced and left and same and rest.is_framed and not encoding(rest)


def encoding(answer: Answer) -> str:
    """Return `gzip` or nothing; raise ExportUnsafe where a server packs otherwise, unasked."""
    told = answer.headers.get("Content-Encoding", "").strip().lower()
    if told in ("", "identity"):
        return ""
    if told in ("gzip", "x-gzip"):
        return "gzip"
    raise ExportUnsafe(
        "The server packs the export in a way nobody asked for.",
        hint="Ask the vendor to switch compression off for this address.",
    )


def _is_chunked(headers: Mapping[str, str]) -> bool:
    return "chunked" in headers.get("Transfer-Encoding", "").lower()


def as_sent(location: str) -> str:
    """Headers are read as Latin-1; a Location with other letters was UTF-8."""
    try:
        return location.encode("latin-1").decode()
    except UnicodeError:
        return location


@contextmanager
def plain_words(host: str, hidden: Sequence[str]) -> Iterator[None]:
    """Turn what the library raises into our errors, whose texts are without secrets."""
    try:
        yield
    except (HTTPError, ssl.SSLError, OSError) as error:
        raise answers.fault(error, host, hidden) from None


class Caller:
    """Asks servers: trusts the system's authorities and the source's own.

    A connection whose answer was read to its end serves the next question; what was opened is
    closed with `stack`.
    """

    def __init__(
        self, ca_file: str, connect_seconds: float, idle_seconds: float, stack: ExitStack
    ) -> None:
        self._timeout = Timeout(connect=connect_seconds, read=idle_seconds)
        self._context = _trust(ca_file)
        self._pools: dict[tuple[object, Reach], HTTPConnectionPool] = {}
        self._answers: WeakSet[BaseHTTPResponse] = WeakSet()  # those that somebody may still read
        stack.callback(self._close)
        self.certificates: dict[str, Certificate] = {}
        """What each host that was asked proved itself by."""

    def call(
        self,
        address: Address,
        headers: Mapping[str, str],
        reach: Reach,
        method: str = "GET",
        body: bytes | None = None,
        *,
        idle_seconds: float | None = None,
        may_repeat: bool = True,
    ) -> BaseHTTPResponse:
        """Ask once and return the answer, its body unread.

        `idle_seconds` is how long this one server may think, where it is not as long as others;
        what may not be repeated is never sent on a connection that may be hung up.
        """
        ours = {"User-Agent": _USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"}

        def ask(pool: HTTPConnectionPool) -> BaseHTTPResponse:
            return pool.urlopen(
                method,
                address.target,
                body=body,
                headers={**ours, **headers},
                timeout=self._patience(idle_seconds),
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
            )

        may_reuse = may_repeat and method in _CHANGES_NOTHING
        pool = self._pool(address, reach, may_reuse=may_reuse)
        connections = pool.num_connections
        try:
            response = ask(pool)
        except (ProtocolError, SSLError):
            if pool.num_connections > connections:
                raise
            response = ask(self._pool(address, reach, may_reuse=False))  # ours had been hung up
        self._answers.add(response)
        return response

    def _patience(self, idle_seconds: float | None) -> Timeout:
        if idle_seconds is None:
            return self._timeout
        return Timeout(connect=self._timeout.connect_timeout, read=idle_seconds)

    def _close(self) -> None:
        for answer in tuple(self._answers):
            answer.close()
        for pool in self._pools.values():
            pool.close()

    def _pool(self, address: Address, reach: Reach, *, may_reuse: bool) -> HTTPConnectionPool:
        """What changes something at the server gets a connection of its own: on one that idles a
        server may hang up in the same moment, and then nobody knows whether it heard.
        """
        key = (address.origin, reach)
        if not may_reuse and key in self._pools:
            self._pools.pop(key).close()
        if key not in self._pools:
            self._pools[key] = self._opened(address, reach)
        return self._pools[key]

    def _opened(self, address: Address, reach: Reach) -> HTTPConnectionPool:
        def guard(peer: str) -> None:
            reach.check_peer(address, peer)

        host, port = address.url.host or "", address.port
        pool: HTTPConnectionPool
        if address.is_plain:
            pool = _PlainPool(host, port, timeout=self._timeout, guard=guard)
        else:
            context = self._context
            pool = _TlsPool(
                host,
                port,
                timeout=self._timeout,
                guard=guard,
                seen=lambda shown: self.certificates.update({address.host: shown}),
                ssl_context=context,
            )
        return pool


def _trust(ca_file: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    try:
        if ca_file:
            context.load_verify_locations(cafile=ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise SourceRefused(
            "The certificate file of this source cannot be read.",
            hint="Check `ca_file`: it holds certificates in PEM form.",
            detail=f"{ca_file}: {type(error).__name__}",
        ) from None
    return context


class _Plain(HTTPConnection):
    def __init__(self, *args: Any, guard: Callable[[str], None], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._guard = guard

    def _new_conn(self) -> Any:
        return _guarded(super()._new_conn(), self._guard)


class _Tls(HTTPSConnection):
    def __init__(
        self,
        *args: Any,
        guard: Callable[[str], None],
        seen: Callable[[Certificate], None],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._guard, self._seen = guard, seen

    def connect(self) -> None:
        super().connect()
        self._seen(_certificate(self.sock))

    def _new_conn(self) -> Any:
        return _guarded(super()._new_conn(), self._guard)


def _certificate(connected: Any) -> Certificate:
    """Given a connection whose certificate was checked, return what it says."""
    said = connected.getpeercert() or {}
    names = {key: value for part in said.get("issuer", ()) for key, value in part}
    issuer = names.get("organizationName") or names.get("commonName") or "an unnamed authority"
    digest = hashlib.sha256(connected.getpeercert(binary_form=True) or b"").hexdigest().upper()
    pairs = ":".join(digest[each : each + 2] for each in range(0, len(digest), 2))
    return Certificate(str(issuer), str(said.get("notAfter", "")), pairs)


def _guarded(connected: Any, guard: Callable[[str], None]) -> Any:
    """Judge the number that was really connected to, before a byte is sent to it."""
    try:
        guard(connected.getpeername()[0])
    except BaseException:
        connected.close()
        raise
    return connected


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _Tls

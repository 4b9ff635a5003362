"""The only home of pulls over HTTP: asks, follows, waits, receives, goes on where it broke off."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from ..core.errors import ApplianceError, ExportUnsafe, SourceRefused, SourceUnreachable
from ..core.model import Export, ExportFile, SeenFile, StepName
from ..core.ports import Watch
from . import ahead, answers, auth, calling, content
from .calling import READ_BYTES, Answer, Caller
from .landing import Landing, Writer, clean_name
from .origins import Address, Reach, read
from .sight import Sight

_TOKEN_BYTES = 1 << 16
_REDIRECTS = 5
_WAITS = 3
_SHORT_WAIT = timedelta(seconds=60)
_INTERRUPTIONS = 5
_STARTS = 3
_PAUSE = timedelta(seconds=1)  # doubled with each interruption


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """One source of type http, as plain values that cross to the child as JSON."""

    name: str
    url: str = field(repr=False)
    auth: Mapping[str, str] = field(default_factory=dict, repr=False)
    """See `auth.sign_in`."""
    hosts: tuple[str, ...] = ()
    """Further hosts, or globs of them, that a redirect may lead to, without credentials."""
    credential_hosts: tuple[str, ...] = ()
    """Further hosts, or globs of them, that are shown the credentials."""
    ca_file: str = ""
    """Authorities to trust besides the system's, PEM."""
    file_name: str = ""
    """What to call the export, whatever the server calls it."""
    max_bytes: int = 20 * 10**9
    reserve_bytes: int = 512 * 10**6
    connect_seconds: float = 20.0
    idle_seconds: float = 120.0
    """How long the server may be silent, thinking about its answer included."""
    min_rate_bytes_per_second: int = 1000
    rate_seconds: float = 300.0
    """Over how long the rate is measured."""
    secrets_dir: str = ""
    """Where a replaced refresh token is stored."""


def pull(
    settings: HttpSettings, into: Path, pulled_at: datetime, seen: Sequence[SeenFile], watch: Watch
) -> Export | None:
    """Given an empty folder, bring the export at the source's address into it.

    Return None where the server says that the newest of `seen` is unchanged. Raise
    SourceUnreachable, SourceRefused, ExportNotReady, ExportUnsafe, DiskFull or Cancelled.
    """
    with ExitStack() as stack:
        errand = _Errand(settings, watch, stack)
        condition = answers.condition(seen, errand.home)
        answer = errand.ask(condition, {304} if condition else ())
        if answer.status == 304:
            return None
        file = errand.receive(answer, into)
        when = answers.date(answer.headers.get("Date", ""))
        told = None if answer.address.is_plain else when
        return Export(settings.name, (file,), pulled_at, told)


def look(settings: HttpSettings, sight: Sight, watch: Watch) -> None:
    """Tell what the server proves itself by and what a pull would take: its answer is begun, and
    not read. Raise what `pull` would.
    """
    sight.server = read(settings.url).host
    with ExitStack() as stack:
        caller = Caller(settings.ca_file, settings.connect_seconds, settings.idle_seconds, stack)
        try:
            errand = _Errand(settings, watch, stack, caller)
            answer = errand.ask({})
        finally:
            _tell(sight, caller)
        name = settings.file_name or answers.file_name(answer.headers, errand.home, answer.address)
        if "html" in answer.headers.get("Content-Type", "").lower():
            raise ExportUnsafe(
                "The server sends a web page instead of an export; perhaps it wants a login.",
                hint="Check the address and the login of this source.",
            )
        modified = answers.date(answer.headers.get("Last-Modified", ""))
        sight.would_take(clean_name(name), answer.length, modified)


def _tell(sight: Sight, caller: Caller) -> None:
    """Without a certificate it was plain http, which never leaves this machine."""
    shown = caller.certificates.get(sight.server)
    sight.confirmed = shown is not None
    if shown is not None:
        sight.proof = f"vouched for by {shown.issuer}, good until {shown.until}"
        sight.fingerprint = shown.fingerprint


class _StartOver(Exception):
    """The rest of an interrupted file cannot be had: only the whole, from its beginning."""


class _Errand:
    """One pull from one address: the credentials, and how far we got."""

    def __init__(
        self,
        settings: HttpSettings,
        watch: Watch,
        stack: ExitStack,
        caller: Caller | None = None,
    ) -> None:
        self._settings = settings
        self._watch = watch
        self.home = read(settings.url)
        self._reach = Reach(self.home, tuple(settings.hosts), tuple(settings.credential_hosts))
        self._reach.check(self.home)
        self._caller = caller or Caller(
            settings.ca_file, settings.connect_seconds, settings.idle_seconds, stack
        )
        self._hidden = auth.hidden(settings.auth)
        self._credentials = self._sign_in()

    def _sign_in(self) -> auth.Credentials:
        settings = self._settings
        return auth.sign_in(settings.auth, settings.secrets_dir, self._ask_for_token)

    def _ask_for_token(
        self, url: str, headers: Mapping[str, str], form: Mapping[str, str]
    ) -> auth.TokenReply:
        address = read(url)
        reach = Reach(address)
        reach.check(address)
        with calling.plain_words(address.host, self._hidden):
            response = self._caller.call(address, headers, reach, form)
            body = b""
            while len(body) < _TOKEN_BYTES and (piece := response.read1(_TOKEN_BYTES)):
                body += piece
        response.close()
        if response.status in (408, 425, 429) or response.status >= 500:
            raise answers.refusal(response.status, response.headers, address.host)
        return auth.TokenReply(response.status, body)

    def ask(self, extra: Mapping[str, str], also: Collection[int] = ()) -> Answer:
        """Ask with `extra` headers until the status is 200 or one of `also`.

        A short wait is waited for; where the token is not accepted, we sign in once anew.
        """
        waits, renewed = 0, not auth.is_renewable(self._settings.auth)
        while True:
            answer = self._follow(extra)
            if answer.status == 200 or answer.status in also:
                return answer
            answer.close()
            if answer.status == 401 and not renewed:
                renewed, self._credentials = True, self._sign_in()
                continue
            waits += 1
            refusal = answers.refusal(answer.status, answer.headers, answer.address.host)
            self._wait_or_raise(refusal, waits)

    def _wait_or_raise(self, refusal: ApplianceError, waits: int) -> None:
        wait = refusal.retry_after if isinstance(refusal, SourceUnreachable) else None
        if wait is None or wait > _SHORT_WAIT or waits > _WAITS:
            raise refusal
        self._pause(wait)

    def _pause(self, wait: timedelta) -> None:
        note = f"waiting {wait.total_seconds():.0f} s for the server"
        self._watch.report(StepName.PULL, 0, note=note)
        self._watch.cancel.wait(wait.total_seconds())
        self._watch.check()

    def _follow(self, extra: Mapping[str, str]) -> Answer:
        """Ask at the source's address and wherever that sends us; credentials go where listed."""
        address = self.home
        for _ in range(_REDIRECTS + 1):
            answer = self._call(address, extra)
            if answer.status not in (301, 302, 303, 307, 308):
                return answer
            answer.close()
            onward = read(calling.as_sent(answer.headers.get("Location", "")), address)
            self._reach.check(onward, address)
            address = onward
        raise SourceRefused(
            f"{self.home.host} sends us from one address to the next without end.",
            hint="Check the address of this source; perhaps it wants a login.",
        )

    def _call(self, address: Address, extra: Mapping[str, str]) -> Answer:
        headers = dict(extra)
        if self._reach.shows_credentials(address):
            headers |= self._credentials.headers
            address = address.with_query(self._credentials.query)
        else:  # a redirect that repeats our own query must not carry the key along
            address = address.without_query([name for name, _ in self._credentials.query])
        with calling.plain_words(address.host, self._hidden):
            return Answer(address, self._caller.call(address, headers, self._reach))

    def receive(self, answer: Answer, into: Path) -> ExportFile:
        """Land the body, from its beginning again where it cannot be continued, and judge it."""
        for _ in range(_STARTS):
            try:
                return self._land(answer, into)
            except _StartOver:
                answer = self.ask({})
        raise SourceUnreachable(f"The connection to {self.home.host} breaks off again and again.")

    def _land(self, answer: Answer, into: Path) -> ExportFile:
        settings, packed = self._settings, calling.encoding(answer)
        name = settings.file_name or answers.file_name(answer.headers, self.home, answer.address)
        unpacks = packed == "gzip" and not name.lower().endswith((".gz", ".tgz"))
        landing = self._landing(into)
        with landing.file(
            name,
            None if unpacks else answer.length,
            answers.date(answer.headers.get("Last-Modified", "")),
            answers.validator(answer.headers, self.home),
        ) as writer:
            if unpacks:
                self._unpack(answer, writer)
            else:
                self._fill(answer, writer)
        return self._judged(landing.files[-1], answer.is_framed or unpacks)

    def _landing(self, into: Path) -> Landing:
        settings = self._settings
        return Landing(
            into,
            settings.max_bytes,
            settings.reserve_bytes,
            self._watch,
            min_rate_bytes_per_second=settings.min_rate_bytes_per_second,
            rate_seconds=settings.rate_seconds,
        )

    def _fill(self, first: Answer, writer: Writer) -> None:
        """Write the body; where the connection breaks off, go on where it did."""
        answer, broken = first, 0
        while True:
            try:
                return _copy(answer.response, writer.write)
            except HTTPError as error:
                answer.close()
                fault = answers.fault(error, answer.address.host, self._hidden)
            if not first.is_framed:
                raise fault
            broken, answer = self._go_on(first, writer.size_bytes, broken, fault)

    def _go_on(
        self, first: Answer, have_bytes: int, broken: int, fault: ApplianceError
    ) -> tuple[int, Answer]:
        """Wait for the connection to come back; return how often it broke, and the rest."""
        while broken < _INTERRUPTIONS:
            self._pause(_PAUSE * 2**broken)
            broken += 1
            try:
                return broken, self._rest(first, have_bytes)
            except SourceUnreachable as again:
                fault = again
        raise fault

    def _rest(self, first: Answer, have_bytes: int) -> Answer:
        """Ask for what is missing; raise _StartOver where it may be of another version."""
        if not first.etag or not have_bytes or "Content-Encoding" in first.headers:
            raise _StartOver
        answer = self.ask({"Range": f"bytes={have_bytes}-", "If-Range": first.etag}, {206, 416})
        if answer.status != 206 or not calling.continues(first, answer, have_bytes):
            answer.close()
            raise _StartOver
        return answer

    def _unpack(self, answer: Answer, writer: Writer) -> None:
        unpacker = _Unpacker(writer)
        try:
            _copy(answer.response, unpacker.write)
        except HTTPError:
            answer.close()
            self._pause(_PAUSE)
            raise _StartOver from None
        unpacker.check_end()

    def _judged(self, file: ExportFile, is_framed: bool) -> ExportFile:
        try:
            verdict = content.prove(file.path, file.name, lambda: self._looking_at(file))
            _check_end(is_framed or verdict.proves_end)
        except BaseException:
            file.path.unlink()
            raise
        return file

    def _looking_at(self, file: ExportFile) -> None:
        self._watch.report(StepName.PULL, file.size_bytes, file.size_bytes, note="checking")


def _check_end(is_known: bool) -> None:
    if not is_known:
        raise ExportUnsafe(
            "Nobody can tell whether the export arrived whole: the server does not say how long"
            " it is.",
            hint="Ask the vendor for a ZIP, or for a server that sends Content-Length.",
        )


def _copy(response: BaseHTTPResponse, write: Callable[[bytes], object]) -> None:
    with ahead.reading(response) as pieces:
        for piece in pieces:
            write(piece)


class _Unpacker:
    """Undoes a gzip Content-Encoding piece by piece: a bomb meets the Landing's limits."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._stream = zlib.decompressobj(wbits=31)

    def write(self, data: bytes) -> None:
        if not data:  # a second without any: the rate is watched all the same
            self._writer.write(data)
        try:
            while data and not self._stream.eof:
                self._writer.write(self._stream.decompress(data, READ_BYTES))
                data = self._stream.unconsumed_tail
        except zlib.error:
            raise _garbled() from None
        if data or self._stream.unused_data:
            raise _garbled()

    def check_end(self) -> None:
        """Raise ExportUnsafe unless the gzip trailer came and was right."""
        if not self._stream.eof:
            raise _garbled()


def _garbled() -> ExportUnsafe:
    return ExportUnsafe("The export arrived garbled: the server's compression is broken.")

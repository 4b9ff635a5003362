"""The only home of how a body becomes a file of an export: received, gone on with where the
connection broke off, judged.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from ..core.errors import ApplianceError, ExportUnsafe, SourceUnreachable
from ..core.model import ExportFile, StepName
from ..core.ports import Watch
from . import ahead, answers, calling, content
from .asking import pause
from .calling import READ_BYTES, Answer
from .landing import Landing, Writer

_INTERRUPTIONS = 5
_STARTS = 3
_PAUSE = timedelta(seconds=1)  # doubled with each interruption

AskAgain = Callable[[Mapping[str, str], Collection[int]], Answer]
"""Given further headers and further statuses that are fine, ask the same once more."""


class _StartOver(Exception):
    """The rest of an interrupted file cannot be had: only the whole, from its beginning."""


class Receiver:
    """Receives files into a landing; `hidden` is what no error may show."""

    def __init__(self, landing: Landing, watch: Watch, hidden: tuple[str, ...]) -> None:
        self._landing, self._watch, self._hidden = landing, watch, hidden

    def receive(
        self, answer: Answer, name: str, ask_again: AskAgain, validator: str = ""
    ) -> tuple[ExportFile, content.Verdict]:
        """Land the body, from its beginning again where it cannot be continued, and judge it.

        Raise SourceUnreachable, SourceRefused, ExportUnsafe, DiskFull or Cancelled.
        """
        host = answer.address.host
        for _ in range(_STARTS):
            try:
                return self._land(answer, name, ask_again, validator)
            except _StartOver:
                answer = ask_again({}, ())
        raise SourceUnreachable(f"The connection to {host} breaks off again and again.")

    def _land(
        self, answer: Answer, name: str, ask_again: AskAgain, validator: str
    ) -> tuple[ExportFile, content.Verdict]:
        packed = calling.encoding(answer)
        unpacks = packed == "gzip" and not name.lower().endswith((".gz", ".tgz"))
        length = None if unpacks else answer.length
        modified = answers.date(answer.headers.get("Last-Modified", ""))
        with self._landing.file(name, length, modified, validator) as writer:
            if unpacks:
                self._unpack(answer, writer)
            else:
                self._fill(answer, writer, ask_again)
        return self._judged(self._landing.files[-1], answer.is_framed or unpacks)

    def _fill(self, first: Answer, writer: Writer, ask_again: AskAgain) -> None:
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
            have = writer.size_bytes
            broken, answer = self._go_on(first, have, broken, fault, ask_again)

    def _go_on(
        self,
        first: Answer,
        have_bytes: int,
        broken: int,
        fault: ApplianceError,
        ask_again: AskAgain,
    ) -> tuple[int, Answer]:
        """Wait for the connection to come back; return how often it broke, and the rest."""
        while broken < _INTERRUPTIONS:
            pause(self._watch, _PAUSE * 2**broken)
            broken += 1
            try:
                return broken, _rest(first, have_bytes, ask_again)
            except SourceUnreachable as again:
                fault = again
        raise fault

    def _unpack(self, answer: Answer, writer: Writer) -> None:
        unpacker = _Unpacker(writer.write)
        try:
            _copy(answer.response, unpacker.write)
        except HTTPError:
            answer.close()
            pause(self._watch, _PAUSE)
            raise _StartOver from None
        unpacker.check_end()

    def _judged(self, file: ExportFile, is_framed: bool) -> tuple[ExportFile, content.Verdict]:
        try:
            verdict = content.prove(file.path, file.name, lambda: self._looking_at(file))
            _check_end(is_framed or verdict.proves_end)
        except BaseException:
            file.path.unlink()
            raise
        return file, verdict

    def _looking_at(self, file: ExportFile) -> None:
        self._watch.report(StepName.PULL, file.size_bytes, file.size_bytes, note="checking")


def _rest(first: Answer, have_bytes: int, ask_again: AskAgain) -> Answer:
    """Ask for what is missing; raise _StartOver where it may be of another version."""
    if not first.etag or not have_bytes or "Content-Encoding" in first.headers:
        raise _StartOver
    answer = ask_again({"Range": f"bytes={have_bytes}-", "If-Range": first.etag}, {206, 416})
    if answer.status != 206 or not calling.continues(first, answer, have_bytes):
        answer.close()
        raise _StartOver
    return answer


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

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._stream = zlib.decompressobj(wbits=31)

    def write(self, data: bytes) -> None:
        if not data:  # a second without any: the rate is watched all the same
            self._write(data)
        try:
            while data and not self._stream.eof:
                self._write(self._stream.decompress(data, READ_BYTES))
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

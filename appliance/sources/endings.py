"""The only home of how a format proves that its file is whole; each proof streams the file."""

from __future__ import annotations

import gzip
import json
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ..core.errors import ExportUnsafe

Pulse = Callable[[], None]
"""Called for every piece read: says that the work goes on, may raise Cancelled."""

_CHUNK_BYTES = 1 << 20
_SMALL_BYTES = 1 << 16
_GZIP_RATIO = 200
_GZIP_FREE_BYTES = 1 << 30  # as much may come out whatever the ratio
_MOST_NESTED = 100
_LONGEST_LINE_BYTES = 1 << 20
_NO_BRACKET = bytes(set(range(256)) - set(b"[]{}"))
_LAST_BYTES = 4096
_MESSAGES = frozenset(
    {
        "code",
        "detail",
        "details",
        "error",
        "errorcode",
        "error_code",
        "error_description",
        "error_uri",
        "errormessage",
        "error_message",
        "errors",
        "exception",
        "fault",
        "fields",
        "id",
        "instance",
        "jsonrpc",
        "message",
        "msg",
        "path",
        "reason",
        "request_id",
        "requestid",
        "category",
        "correlationid",
        "statuscode",
        "status",
        "status_code",
        "statusmessage",
        "status_message",
        "success",
        "timestamp",
        "title",
        "traceid",
        "trace_id",
        "type",
        "ok",
    }
)
"""Keys of which an error message is made, all vendors together, small and without `-`."""
_FAILURES = ("error", "errors", "fault", "exception", "errorcode", "error_code", "errormessage")
_SAYING = frozenset({"message", "detail", "title", "msg", "error_description", "reason"})
_SQL_HEADS = (
    ("-- MySQL dump", b"-- Dump completed"),
    ("-- MariaDB dump", b"-- Dump completed"),
    ("/*M!999999", b"-- Dump completed"),
    ("-- PostgreSQL database dump", b"-- PostgreSQL database dump complete"),
    ("-- PostgreSQL database cluster dump", b"-- PostgreSQL database cluster dump complete"),
)


def prove_zip(file: Path) -> bool:
    """Given a ZIP, return whether it is an XLSX; raise ExportUnsafe if its directory is not whole.

    The members' own CRCs are checked when they are unpacked. The directory is walked, never
    held: it may claim to be as large as it likes.
    """
    size_bytes, end = _directory(file)
    if size_bytes == 0:
        raise ExportUnsafe("The ZIP that arrived has nothing in it.")
    seen: set[bytes] = set()
    with file.open("rb") as stream:
        stream.seek(max(0, end - size_bytes))
        while stream.tell() < end and size_bytes <= end:
            name = _entry(stream)
            if name == b"[Content_Types].xml" or name.startswith(b"xl/workbook"):
                seen.add(name[:3])
        if stream.tell() != end:
            raise _cut("ZIP")
    return len(seen) == 2


def _directory(file: Path) -> tuple[int, int]:
    """Return a ZIP directory's size and where it ends, as APPNOTE 4.3.14 and 4.3.16 have it."""
    tail = _tail(file, (1 << 16) + 22 + 76)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + 22:
        raise _cut("ZIP")
    size_bytes = int(struct.unpack_from("<L", tail, at + 12)[0])
    if (
        at >= 76
        and tail.startswith(b"PK\x06\x07", at - 20)
        and tail.startswith(b"PK\x06\x06", at - 76)
    ):
        size_bytes, at = int(struct.unpack_from("<Q", tail, at - 76 + 40)[0]), at - 76
    return size_bytes, file.stat().st_size - len(tail) + at


def _entry(stream: IO[bytes]) -> bytes:
    header = stream.read(46)
    if len(header) < 46 or not header.startswith(b"PK\x01\x02"):
        raise _cut("ZIP")
    name, extra, comment = struct.unpack_from("<HHH", header, 28)
    found = stream.read(name)
    stream.seek(extra + comment, 1)
    return found


def prove_gzip(file: Path, pulse: Pulse) -> None:
    """Given a gzip file, raise ExportUnsafe unless every member's CRC and length are right."""
    most, out = file.stat().st_size * _GZIP_RATIO + _GZIP_FREE_BYTES, 0
    try:
        with gzip.open(file) as stream:
            while data := stream.read(_CHUNK_BYTES):
                pulse()
                out += len(data)
                if out > most:
                    raise ExportUnsafe("What arrived would unpack to an absurd size.")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _cut("gzip file", str(error)) from None


def is_tar_header(block: bytes) -> bool:
    """Return whether 512 bytes are a tar header: its checksum is right and it is not all zero."""
    if len(block) < 512 or not block.strip(b"\0"):
        return False
    try:
        announced = int(block[148:156].strip(b" \0") or b"x", 8)
    except ValueError:
        return False
    return announced == sum(block[:148]) + 8 * 0x20 + sum(block[156:])


def prove_tar(file: Path) -> None:
    """Given a tar, raise ExportUnsafe unless its members end in the two blocks of zeros."""
    size_bytes = file.stat().st_size
    with file.open("rb") as stream:
        while is_tar_header(block := stream.read(512)):
            member_bytes = _tar_number(block[124:136])
            if stream.tell() + member_bytes > size_bytes:
                raise _cut("tar file")
            stream.seek((member_bytes + 511) // 512 * 512, 1)
        if len(block) != 512 or block.strip(b"\0") or stream.read(512).strip(b"\0"):
            raise _cut("tar file")
        if stream.tell() % 512 or stream.tell() < 1024:
            raise _cut("tar file")


def _tar_number(field: bytes) -> int:
    if field[0] & 0x80:  # GNU's base 256 for what octal cannot say
        return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
    try:
        return int(field.strip(b" \0") or b"0", 8)
    except ValueError:
        raise _cut("tar file") from None


@dataclass(frozen=True, slots=True)
class Json:
    """What a look at a JSON file gave."""

    documents: int
    """1, or 2 for "several": JSON lines."""
    error_message: bool


def prove_json(file: Path, pulse: Pulse) -> Json:
    """Given a JSON file, raise ExportUnsafe if a bracket or a string is open at its end."""
    brackets = _Brackets()
    with file.open("rb") as stream:
        for chunk in _chunks(stream, pulse):
            brackets.read(chunk)
    last = _tail(file, _LAST_BYTES).rstrip()[-1:]
    if not brackets.closed or last not in (b"}", b"]"):
        raise _cut("JSON file")
    return Json(2 if brackets.again else 1, _is_error_message(file))


class _Brackets:
    """Counts brackets outside of strings, a chunk at a time and without a loop over letters."""

    def __init__(self) -> None:
        self._depth = 0
        self._begun = False
        self._in_string = False
        self._held = b""
        self.again = False
        """Whether a second document began after the first had ended."""

    @property
    def closed(self) -> bool:
        """Whether every bracket and string that began has ended."""
        return self._depth == 0 and not self._in_string

    def read(self, chunk: bytes) -> None:
        """Take the next bytes; raise ExportUnsafe where brackets do not match."""
        data = self._held + chunk
        whole = len(data) - (len(data) - len(data.rstrip(b"\\"))) % 2
        data, self._held = data[:whole], data[whole:]
        parts = data.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
        brackets = b"".join(parts[int(self._in_string) :: 2]).translate(None, _NO_BRACKET)
        self._in_string ^= len(parts) % 2 == 0
        self._count(brackets)

    def _count(self, brackets: bytes) -> None:
        rest = _without_pairs(brackets)
        closing = len(rest) - len(rest.lstrip(b"]}"))
        if rest[closing:].strip(b"[{") or closing > self._depth:
            raise _cut("JSON file")
        touches_zero = brackets and closing == self._depth
        if touches_zero and not self.again:
            self._look_for_another(brackets)
        self._depth += len(rest) - 2 * closing

    def _look_for_another(self, brackets: bytes) -> None:
        depth = self._depth
        for bracket in brackets:
            if bracket in b"[{":
                self.again = self.again or (depth == 0 and self._begun)
                self._begun = True
            depth += 1 if bracket in b"[{" else -1
            if self.again:
                return


def _without_pairs(brackets: bytes) -> bytes:
    """Given brackets only, return those whose partner is not among them."""
    for _ in range(_MOST_NESTED):
        shorter = brackets.replace(b"{}", b"").replace(b"[]", b"")
        if len(shorter) == len(brackets):
            return brackets
        brackets = shorter
    raise _cut("JSON file", "nested absurdly deep")


def _is_error_message(file: Path) -> bool:
    if file.stat().st_size > _SMALL_BYTES:
        return False
    try:
        value = json.loads(file.read_bytes().decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return False
    if isinstance(value, list) and len(value) == 1:
        value = value[0] if isinstance(value[0], dict) and "errorCode" in value[0] else None
    return isinstance(value, dict) and _tells_an_error(value)


def _tells_an_error(value: dict[str, object]) -> bool:
    lower = {key.lower(): content for key, content in value.items()}
    if any(lower.get(key) for key in _FAILURES):
        return True
    if lower.get("success") is False or lower.get("ok") is False:
        return True
    if str(lower.get("status")).lower() in {"error", "fail", "failed", "failure"}:
        return True
    return not lower.keys() - _MESSAGES and bool(lower.keys() & _SAYING)


def prove_vcards(file: Path, pulse: Pulse) -> None:
    """Given a vCard file, raise ExportUnsafe unless as many cards end as begin."""
    begun = ended = 0
    with file.open("rb") as stream:
        for lines in _whole_lines(stream, pulse):
            begun += len(re.findall(rb"(?im)^BEGIN:VCARD[ \t\r]*$", lines))
            ended += len(re.findall(rb"(?im)^END:VCARD[ \t\r]*$", lines))
    if begun != ended:
        raise _cut("vCard file", f"{begun} cards begin, {ended} end")


def prove_sql_dump(file: Path, start: str) -> bool:
    """Return whether a text is a database dump that ends as one; raise ExportUnsafe if cut."""
    lines = start[:4096]
    for head, trailer in _SQL_HEADS:
        if re.search(rf"^{re.escape(head)}\b", lines, re.MULTILINE):
            if not re.search(re.escape(trailer) + rb"[^\n]*\n", _tail(file, _LAST_BYTES)):
                raise _cut("database dump")
            return True
    return False


def prove_xml(file: Path, root: str) -> None:
    """Raise ExportUnsafe unless the file ends by closing its first element."""
    tail = re.sub(
        rb"<!--.*?-->", b"", _tail(file, _LAST_BYTES).replace(b"\0", b""), flags=re.DOTALL
    ).rstrip()
    closed = re.search(rb"(?i)</(?:[\w.-]+:)?%s\s*>$" % re.escape(root.encode()), tail)
    alone = file.stat().st_size <= _SMALL_BYTES and tail.endswith(b"/>")
    if not closed and not alone:
        raise _cut("XML file")


def _chunks(stream: IO[bytes], pulse: Pulse) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK_BYTES):
        pulse()
        yield chunk


def _whole_lines(stream: IO[bytes], pulse: Pulse) -> Iterator[bytes]:
    """Yield pieces that end at a line's end; a longer line loses its middle."""
    held = b""
    for chunk in _chunks(stream, pulse):
        lines, newline, rest = chunk.rpartition(b"\n")
        if newline:
            yield held + lines
            held = rest
        else:
            held = (held + rest)[:_LONGEST_LINE_BYTES]
    yield held


def _tail(file: Path, size_bytes: int) -> bytes:
    with file.open("rb") as stream:
        stream.seek(max(0, file.stat().st_size - size_bytes))
        return stream.read(size_bytes)


def _cut(what: str, detail: str = "") -> ExportUnsafe:
    return ExportUnsafe(
        f"The {what} that arrived is cut off or damaged.",
        hint="It will be fetched anew on the next run; if this stays, let the vendor look.",
        detail=detail,
    )

"""The only home of the ZIP format: reads the directory and trusts none of it (APPNOTE 6.3.10)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO

from ..core.errors import ExportUnsafe
from .budget import Limits, TooMuch
from .entries import Entry, KeepWhole, Span, damaged

LOCAL, CENTRAL, END = b"PK\3\4", b"PK\1\2", b"PK\5\6"
_END64, _LOCATOR64 = b"PK\6\6", b"PK\6\7"
_END_SIZE, _END64_SIZE, _LOCATOR64_SIZE = 22, 56, 20
_CENTRAL_SIZE, _LOCAL_SIZE = 46, 30
_LONGEST_COMMENT = 0xFFFF
_MAX_DIRECTORY_BYTES = 48 << 20
"""Room for 100,000 files with long names; it is held in memory in part."""
_ZIP64, _UNIX_TIME, _UNICODE_PATH = 0x0001, 0x5455, 0x7075
_STORED, _DEFLATED = 0, 8
_LEVEL_OF_FLAG = {0: 6, 2: 9, 4: 2, 6: 1}
"""What general purpose bits 1 and 2 say about the level; Java and others leave them 0."""
_ENCRYPTED_FLAGS = 1 << 0 | 1 << 6 | 1 << 13
_UTF8_FLAG = 1 << 11
_UNIX, _MACOS = 3, 19


@dataclass(frozen=True, slots=True)
class Zip:
    """A ZIP's directory, checked: no entry overlaps another or lies outside the file."""

    entries: tuple[Entry, ...]
    """Its regular files, in the order of the directory."""
    links: int
    """How many links, devices and the like it holds besides; nothing is made of them."""

    @property
    def is_document(self) -> bool:
        """Whether it is an office document (OOXML, OpenDocument, EPUB) rather than a folder."""
        names = [entry.name for entry in self.entries]
        return "[Content_Types].xml" in names or names[:1] == ["mimetype"]


@dataclass(frozen=True, slots=True)
class _End:
    """What the end record says, moved by whatever stands before the ZIP."""

    directory: int
    size_bytes: int
    count: int
    shift: int


@dataclass(frozen=True, slots=True)
class _Central:
    """One record of the central directory."""

    flags: int
    method: int
    name: str
    crc: int
    packed_bytes: int
    size_bytes: int
    local: int
    modified: datetime | None
    mode: int
    """Unix file type bits, 0 where none were stored."""

    @property
    def is_folder(self) -> bool:
        return self.name.endswith(("/", "\\")) and not self.size_bytes

    @property
    def is_regular(self) -> bool:
        """Whether it is a file; so is what says to be a folder and has content."""
        return self.mode in (0, 0o100000) or (self.mode == 0o040000 and self.size_bytes > 0)


def is_zip(file: BinaryIO, head: bytes, size_bytes: int) -> bool:
    """Given an open file and its first bytes, say whether it is a ZIP, or ends as a whole one."""
    if head.startswith((LOCAL, END)):
        return True
    tail = _read(file, max(0, size_bytes - _END_SIZE - _LONGEST_COMMENT))
    position = tail.rfind(END)
    if position < 0 or len(tail) - position < _END_SIZE:
        return False
    (comment,) = struct.unpack_from("<H", tail, position + 20)
    if position + _END_SIZE + comment != len(tail):
        return False
    try:
        return _find_end(file, size_bytes).count > 0
    except (ExportUnsafe, KeepWhole):
        return False


def read(file: BinaryIO, size_bytes: int, limits: Limits) -> Zip:
    """Given an open ZIP, return its directory.

    Raise ExportUnsafe where it is cut, damaged, encrypted or overlaps itself; KeepWhole where it is
    split or packed in a way that zlib cannot open.
    """
    end = _find_end(file, size_bytes)
    records = tuple(_records(file, end, limits))
    if len(records) & 0xFFFF != end.count & 0xFFFF:  # old writers count to 65535 and start again
        raise damaged(f"{len(records)} entries instead of {end.count}")
    _refuse_encrypted(records)
    wanted = [record for record in records if not record.is_folder and record.is_regular]
    places = _places(file, records, end)
    for record in wanted:
        if record.method not in (_STORED, _DEFLATED):
            raise KeepWhole(f"it is packed with method {record.method}, which is not opened here")
    entries = tuple(_entry(record, places[record.local]) for record in wanted)
    links = sum(not record.is_regular and not record.is_folder for record in records)
    return Zip(entries, links)


def _find_end(file: BinaryIO, size_bytes: int) -> _End:
    tail_start = max(0, size_bytes - _END_SIZE - _LONGEST_COMMENT - _END64_SIZE - _LOCATOR64_SIZE)
    tail = _read(file, tail_start)
    position = tail.rfind(END)
    if position < 0 or len(tail) - position < _END_SIZE:
        raise damaged("a ZIP without its end")
    disk, first_disk, _, count, size, offset = struct.unpack_from("<4H2I", tail, position + 4)
    stop = tail_start + position
    if tail[max(0, position - _LOCATOR64_SIZE) :].startswith(_LOCATOR64):
        stop, disk, first_disk, count, size, offset = _find_end64(file, stop - _LOCATOR64_SIZE)
    if disk or first_disk:
        raise KeepWhole("it is one part of several")
    return _shifted(file, stop, count, size, offset)


def _find_end64(file: BinaryIO, locator: int) -> tuple[int, int, int, int, int, int]:
    (told,) = struct.unpack("<Q", _read(file, locator + 8, 8))
    for stop in (locator - _END64_SIZE, told):
        record = _read(file, stop, _END64_SIZE) if stop >= 0 else b""
        if len(record) == _END64_SIZE and record.startswith(_END64):
            disk, first_disk, _, count, size, offset = struct.unpack_from("<2I4Q", record, 16)
            return stop, disk, first_disk, count, size, offset
    raise damaged("a Zip64 without its end")


def _shifted(file: BinaryIO, stop: int, count: int, size: int, offset: int) -> _End:
    """Where junk stands before the ZIP, its own offsets are too small by that."""
    shift = stop - size - offset
    if size and (shift < 0 or _read(file, offset + shift, 4) != CENTRAL):
        shift = 0
    if size and _read(file, offset + shift, 4) != CENTRAL:
        raise damaged("a ZIP's directory is not where it should be")
    if shift and _read(file, 0, 4) == LOCAL:  # its true end is missing: this is another ZIP's
        raise damaged("the end of a ZIP belongs to one inside it")
    return _End(offset + shift, size, count, shift)


def _records(file: BinaryIO, end: _End, limits: Limits) -> Iterator[_Central]:
    if end.size_bytes > _MAX_DIRECTORY_BYTES:
        raise TooMuch(f"The export holds more than {limits.max_members:,} files.")
    directory = _read(file, end.directory, end.size_bytes)
    position = number = 0
    while position < len(directory):
        if len(directory) - position < _CENTRAL_SIZE or not directory.startswith(CENTRAL, position):
            break
        number += 1
        if number > limits.max_members:
            raise TooMuch(f"The export holds more than {limits.max_members:,} files.")
        name, extra, comment = struct.unpack_from("<3H", directory, position + 28)
        length = _CENTRAL_SIZE + name + extra + comment
        yield _record(directory[position : position + length], name, extra, end.shift)
        position += length


def _record(raw: bytes, name_bytes: int, extra_bytes: int, shift: int) -> _Central:
    system, flags, method, clock, date, crc = struct.unpack_from("<xB2xHHHHI", raw, 4)
    packed, size = struct.unpack_from("<2I", raw, 20)
    attributes, local = struct.unpack_from("<2I", raw, 38)
    name = raw[_CENTRAL_SIZE:][:name_bytes]
    extra = _extras(raw[_CENTRAL_SIZE + name_bytes :][:extra_bytes])
    size, packed, local = _widened(extra.get(_ZIP64, b""), size, packed, local)
    return _Central(
        flags=flags,
        method=method,
        name=_decoded(name, flags, extra.get(_UNICODE_PATH, b"")),
        crc=crc,
        packed_bytes=packed,
        size_bytes=size,
        local=local + shift,
        modified=_modified(date, clock, extra.get(_UNIX_TIME, b"")),
        mode=attributes >> 16 & 0o170000 if system in (_UNIX, _MACOS) else 0,
    )


def _extras(raw: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while len(raw) >= 4:
        kind, length = struct.unpack_from("<2H", raw)
        found.setdefault(kind, raw[4 : 4 + length])
        raw = raw[4 + length :]
    return found


def _widened(extra: bytes, *narrow: int) -> tuple[int, ...]:
    """Zip64 keeps, in this order, only those that did not fit."""
    wide = []
    for value in narrow:
        if value == 0xFFFFFFFF and len(extra) >= 8:
            wide.append(int.from_bytes(extra[:8], "little"))
            extra = extra[8:]
        else:
            wide.append(value)
    return tuple(wide)


def _decoded(raw: bytes, flags: int, unicode_path: bytes) -> str:
    """Names are UTF-8 by flag or by Info-ZIP's field; else UTF-8 if they can be, else cp437."""
    if unicode_path[:1] == b"\1" and unicode_path[1:5] == struct.pack("<I", zlib.crc32(raw)):
        raw, flags = unicode_path[5:], flags | _UTF8_FLAG
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("utf-8", "replace") if flags & _UTF8_FLAG else raw.decode("cp437")


def _modified(date: int, clock: int, unix_time: bytes) -> datetime | None:
    """DOS times carry no zone: taken as UTC. Unix time where it is stored too."""
    try:
        if len(unix_time) >= 5 and unix_time[0] & 1:
            return datetime.fromtimestamp(
                int.from_bytes(unix_time[1:5], "little", signed=True), UTC
            )
        day = (1980 + (date >> 9), date >> 5 & 15, date & 31)
        return datetime(*day, clock >> 11, clock >> 5 & 63, (clock & 31) * 2, tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _refuse_encrypted(records: Sequence[_Central]) -> None:
    for record in records:
        if record.flags & _ENCRYPTED_FLAGS:
            raise ExportUnsafe(
                "The export is locked with a password.",
                hint="Switch off the password in the CRM's export: the box encrypts it itself.",
                detail=ascii(record.name),
            )


def _places(file: BinaryIO, records: Sequence[_Central], end: _End) -> dict[int, int]:
    """Return where each entry's data start, by where its local header is.

    Raise ExportUnsafe where two share bytes: a bomb can be made of a thousand names for one.
    """
    places, free = {}, 0
    for record in sorted(records, key=lambda record: record.local):
        header = _read(file, record.local, _LOCAL_SIZE)
        if len(header) != _LOCAL_SIZE or not header.startswith(LOCAL):
            raise damaged(f"{record.name!a}: no header")
        name, extra = struct.unpack_from("<2H", header, 26)
        start = record.local + _LOCAL_SIZE + name + extra
        if record.local < free:
            raise ExportUnsafe("The export holds files that overlap.", detail=ascii(record.name))
        free = start + record.packed_bytes
        if free > end.directory:
            raise damaged(f"{record.name!a}: reaches into the directory")
        places[record.local] = start
    return places


def _entry(record: _Central, start: int) -> Entry:
    is_deflated = record.method == _DEFLATED
    if not is_deflated and record.packed_bytes != record.size_bytes:
        raise damaged(f"{record.name!a}: two sizes")
    level = _LEVEL_OF_FLAG[record.flags & 6]
    place = Span(start, record.packed_bytes, record.size_bytes, is_deflated, likely_level=level)
    return Entry(record.name, place, record.modified, record.crc)


def _read(file: BinaryIO, offset: int, size_bytes: int = -1) -> bytes:
    file.seek(offset)
    return file.read(size_bytes)

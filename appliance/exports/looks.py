"""The only home of what a file looks like: a table, JSON, text or neither, and how it is written.

It is guessed from the name and from the first bytes; a wrong guess shows a file badly and changes
nothing of it.
"""

from __future__ import annotations

import codecs
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from ..core.errors import ApplianceError
from .likeness import undated

FALLBACK = "cp1252"
"""What a file is that is not UTF-8, where nobody said so."""
_HEAD_BYTES = 64 << 10
_TAIL_BYTES = 64
_DELIMITERS = (",", ";", "\t", "|")
_TABLES = {".csv", ".tsv", ".tab"}
_JSON_LINES = {".jsonl", ".ndjson"}
_SEPARATOR = re.compile(r'"?sep=([,;\t|])"?\r?\n')
"""What a spreadsheet program writes before the header."""
_QUOTED = re.compile(r'"[^"]*"?')
_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


class Kind(StrEnum):
    """What can be shown of a file."""

    TABLE = "table"
    JSON = "json"
    JSON_LINES = "json lines"
    TEXT = "text"
    BINARY = "binary"


@dataclass(frozen=True, slots=True)
class Look:
    """How a file is written."""

    kind: Kind
    encoding: str = "utf-8"
    delimiter: str = ","
    newline: bytes = b"\n"
    skip_bytes: int = 0
    """What stands before the first record: the mark of an encoding, a `sep=` line."""
    fallback: str = FALLBACK
    """What it is where it is not UTF-8 to its last byte."""

    @property
    def bytes_encoding(self) -> str:
        """The encoding of the bytes that a reader gets: UTF-16 is turned into UTF-8 for it."""
        return "utf-8" if self.encoding == "utf-16" else self.encoding


def look_at(file: Path, path: str = "", fallback: str = FALLBACK) -> Look:
    """Given a file, read its first 64 KiB and return what it looks like; `path` is its name where
    it lies under another, `fallback` the encoding of what is not UTF-8.
    """
    with plain(file) as opened:
        head = opened.read(_HEAD_BYTES)
    mark = next((mark for mark in _MARKS if head.startswith(mark)), b"")
    encoding = _MARKS.get(mark) or _encoding(head, fallback)
    if encoding is None:
        return Look(Kind.BINARY)
    text = head.decode(encoding, "replace").removeprefix("\ufeff")
    skip = len(mark) if encoding != "utf-16" else 0
    suffix = PurePosixPath(path or file.name).suffix.lower()
    return replace(_written(suffix, text, encoding, skip), fallback=fallback)


def _written(suffix: str, text: str, encoding: str, skip: int) -> Look:
    newline = b"\r" if "\r" in text and "\n" not in text else b"\n"
    start = text.lstrip()[:1]
    if suffix in _JSON_LINES:
        return Look(Kind.JSON_LINES, encoding, newline=newline, skip_bytes=skip)
    if suffix == ".json" and start in {"[", "{"}:
        return Look(Kind.JSON, encoding, skip_bytes=skip)
    if suffix not in _TABLES:
        return Look(Kind.TEXT, encoding, newline=newline, skip_bytes=skip)
    if told := _SEPARATOR.match(text):
        return Look(Kind.TABLE, encoding, told[1], newline, skip + len(told[0].encode()))
    return Look(Kind.TABLE, encoding, _delimiter(text, suffix), newline, skip)


def _encoding(head: bytes, fallback: str) -> str | None:
    """Return the encoding of bytes without a mark; None where they are no text."""
    if head.count(b"\0") > len(head) // 100:
        return None
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        unprintable = sum(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head)
        return None if unprintable > len(head) // 50 else fallback
    return "utf-8"


def _delimiter(text: str, suffix: str) -> str:
    """Return what divides the columns of the header, and of the row below it."""
    lines = [line for line in re.split(r"[\r\n]+", _QUOTED.sub("", text)) if line][:2] or [""]
    counts = {sign: [line.count(sign) for line in lines] for sign in _DELIMITERS}
    best = max(_DELIMITERS, key=lambda sign: (min(counts[sign]), counts[sign][0]))
    if lines[0].count(best):
        return best
    return "," if suffix == ".csv" else "\t"


@contextmanager
def plain(file: Path) -> Iterator[BinaryIO]:
    """Open a file that is really one: no link is followed, no pipe or device is opened.

    Raise ApplianceError where it is not there.
    """
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise ApplianceError("This file is not there any more.", detail=str(error)) from error
    with os.fdopen(handle, "rb") as opened:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise ApplianceError("This is not a file.", detail=str(file))
        yield opened


def tail(file: Path) -> bytes:
    """Given a file, return its last few bytes; of UTF-16 without what is nothing."""
    with plain(file) as opened:
        opened.seek(max(0, os.fstat(opened.fileno()).st_size - _TAIL_BYTES))
        return opened.read().replace(b"\0", b"")


def table_name(path: str) -> str:
    """Given a member's path, return what a person calls it: `hubspot contacts`."""
    stem = PurePosixPath(undated(path)).name.rpartition(".")[0] or PurePosixPath(path).name
    return re.sub(r"[\s_#-]+", " ", stem).strip() or PurePosixPath(path).name

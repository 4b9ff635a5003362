"""The only home of the question whether received bytes are an export at all, and a whole one.

A file is judged by its bytes and only then by its name: status 200 and `.csv` are put on login
pages too. Memory stays small whatever the size of the file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import ExportUnsafe
from . import endings

_HEAD_BYTES = 1 << 16
_BLANK = b" \t\r\n\f\v\0\x1a"
_BOMS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\0\0", "utf-32-le"),
    (b"\0\0\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_MAGIC = (
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"PK\x07\x08", "zip"),
    (b"\x1f\x8b", "gzip"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
    (b"\xfd7zXZ\0", "xz"),
    (b"BZh", "bzip2"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
    (b"SQLite format 3\0", "sqlite"),
    (b"PGDMP", "pgdump"),
    (b"%PDF-", "pdf"),
    (b"\x89PNG\r\n", "image"),
    (b"\xff\xd8\xff", "image"),
    (b"GIF8", "image"),
)
_PACKED = frozenset({"zip", "xlsx", "gzip", "7z", "rar", "xz", "bzip2", "zstd"})
_EXPECTED = {
    "zip": frozenset({"zip", "xlsx"}),
    "xlsx": frozenset({"xlsx", "ole"}),
    "gz": frozenset({"gzip"}),
    "tgz": frozenset({"gzip"}),
    "tar": frozenset({"tar"}) | _PACKED,
    "json": frozenset({"json", "jsonl"}) | _PACKED,
    "jsonl": frozenset({"json", "jsonl"}) | _PACKED,
    "ndjson": frozenset({"json", "jsonl"}) | _PACKED,
    "vcf": frozenset({"vcf"}) | _PACKED,
    "xml": frozenset({"xml"}) | _PACKED,
    "sql": frozenset({"sql", "csv", "text", "pgdump", "sqlite"}) | _PACKED,
    "csv": frozenset({"csv", "text"}) | _PACKED,
    "tsv": frozenset({"csv", "text"}) | _PACKED,
}
"""What a name's ending promises. A CSV that came as a ZIP is fine: HubSpot does so above 2 MB."""
_HTML = re.compile(
    r"<(!doctype\s+html|html|head|body|script|style|meta|title|link|div|form|iframe|center|table"
    r"|span|font|img|p|h[1-6]|b|br|hr|a|noscript|main|section)\b",
    re.IGNORECASE,
)
_PROLOGUE = re.compile(
    r"(<\?.*?\?>|<!--.*?-->|<!doctype\s+(?!html)[^>\[]*(\[.*?\])?\s*>)",
    re.DOTALL | re.IGNORECASE,
)
_XHTML = re.compile(r"<(?:[\w.-]+:)?(!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_XML_NAME = re.compile(r"<(?:[\w.-]+:)?([A-Za-z_][\w.-]*)[\s/>]")
_XML_ERROR = re.compile(r".*(error|fault|exception)(s|response|message)?")
_JSON = re.compile(r"\{\s*([\"}]|$)|\[\s*([\[{\"\]0-9-]|true|false|null|$)")
_PROGRAM_ERROR = re.compile(
    r"(PHP )?(Fatal error|Parse error|Warning|Notice|Deprecated)\b[^\n]* on line \d+"
    r"|Traceback \(most recent call last\):"
)
_REFUSAL = re.compile(
    r"error|denied|unauthori[sz]ed|not authori[sz]ed|forbidden|not found|gateway|unavailable"
    r"|expired|invalid|log ?in|sign ?in|too many requests|time[d ]?out|maintenance|captcha",
    re.IGNORECASE,
)
_REFUSAL_BYTES = 1000
_CONTROL = bytes(set(range(32)) - set(b"\t\n\r\f\v\0\x1a\x1b"))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a file is, and whether its own bytes prove that nothing is missing at its end."""

    format: str
    """zip xlsx gzip tar json jsonl vcf sql xml csv text, or a name from `_MAGIC`."""
    proves_end: bool


def _silent() -> None:
    """Nobody waits for signs of life."""


def prove(file: Path, name: str, pulse: endings.Pulse = _silent) -> Verdict:
    """Given a received file and the vendor's name for it, return what it is.

    `pulse` is called for every MiB looked at: large files take minutes on a small machine.
    Raise ExportUnsafe where it is empty, a web page, an error message, a picture or document
    instead of an export, not what its name promises, or visibly cut off.
    """
    head = _head(file, pulse)
    verdict = _judge(file, head, name, pulse)
    _as_promised(verdict.format, name)
    return verdict


def _head(file: Path, pulse: endings.Pulse) -> bytes:
    """Return the first piece with anything in it (a crashed server leaves files full of zeros)."""
    with file.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
        if not head:
            raise _unsafe("is empty")
        while head and not _without_bom(head)[0].strip(_BLANK):
            pulse()
            head = stream.read(_HEAD_BYTES)
    if not head:
        raise _unsafe("holds nothing but blanks")
    return head


def _judge(file: Path, head: bytes, name: str, pulse: endings.Pulse) -> Verdict:
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return _judge_binary(file, kind, pulse)
    if endings.is_tar_header(head[:512]):
        endings.prove_tar(file)
        return Verdict("tar", proves_end=True)
    return _judge_text(file, head, name, pulse)


def _judge_binary(file: Path, kind: str, pulse: endings.Pulse) -> Verdict:
    if kind == "pdf":
        raise _unsafe("is a PDF document, not an export")
    if kind == "image":
        raise _unsafe("is a picture, not an export")
    if kind == "zip":
        return Verdict("xlsx" if endings.prove_zip(file) else "zip", proves_end=True)
    if kind == "gzip":
        endings.prove_gzip(file, pulse)
        return Verdict("gzip", proves_end=True)
    return Verdict(kind, proves_end=False)


def _judge_text(file: Path, head: bytes, name: str, pulse: endings.Pulse) -> Verdict:
    body, encoding = _without_bom(head)
    start = body.decode(encoding, "replace").lstrip(" \t\r\n\f\v\0\ufeff")
    if start.startswith("%PDF-"):
        raise _unsafe("is a PDF document, not an export")
    if encoding == "utf-8" and _looks_binary(body):
        return Verdict("unknown", proves_end=False)  # it may begin like a page or a list by chance
    if start.startswith("<"):
        return _judge_markup(file, start)
    if _PROGRAM_ERROR.match(start[:2000]):
        raise _unsafe("is an error message of the server's program, not an export")
    if _JSON.match(start) and encoding == "utf-8":
        return _judge_json(file, name, pulse)
    if start[:11].upper() == "BEGIN:VCARD":
        endings.prove_vcards(file, pulse)
        return Verdict("vcf", proves_end=False)  # it may be cut between two cards
    if endings.prove_sql_dump(file, start):
        return Verdict("sql", proves_end=True)
    return _judge_plain(file, start)


def _judge_markup(file: Path, start: str) -> Verdict:
    rest = start
    while prologue := _PROLOGUE.match(rest):
        rest = rest[prologue.end() :].lstrip()
    if (_XHTML if start.startswith("<?xml") else _HTML).match(rest):
        raise ExportUnsafe(
            "What arrived is a web page (perhaps the login page), not an export.",
            hint="Open the address in a browser: the login, the address or the vendor's"
            " service needs attention. Nothing of it was kept.",
        )
    names = [name.lower() for name in _XML_NAME.findall(rest[:8192])]
    if not names or not _XML_NAME.match(rest):
        return Verdict("text", proves_end=False)
    if any(_XML_ERROR.fullmatch(name) for name in names[: 3 if names[0] == "envelope" else 2]):
        raise _unsafe("is an error message of the server, not an export")
    endings.prove_xml(file, names[0])
    return Verdict("xml", proves_end=True)


def _judge_json(file: Path, name: str, pulse: endings.Pulse) -> Verdict:
    by_lines = name.lower().endswith((".jsonl", ".ndjson"))
    found = endings.prove_json(file, pulse)
    if found.error_message:
        raise _unsafe("is an error message of the server, not an export")
    if by_lines or found.documents > 1:
        return Verdict("jsonl", proves_end=False)  # it may be cut between two lines
    return Verdict("json", proves_end=True)


def _judge_plain(file: Path, start: str) -> Verdict:
    first = start.splitlines()[0] if start else ""
    if file.stat().st_size <= _REFUSAL_BYTES and not re.search(r"[,;\t|]", first):
        words = " ".join(start.split())
        if " " in first.strip() and len(start.splitlines()) <= 3 and _REFUSAL.search(words):
            raise _unsafe("is a short message of the server, not an export")
    return Verdict("csv" if re.search(r"[,;\t|]", first) else "text", proves_end=False)


def _looks_binary(body: bytes) -> bool:
    control = len(body) - len(body.translate(None, _CONTROL))
    return control * 50 > len(body)


def _without_bom(head: bytes) -> tuple[bytes, str]:
    for bom, encoding in _BOMS:
        if head.startswith(bom):
            return head[len(bom) :], encoding
    return head, "utf-8"


def _as_promised(found: str, name: str) -> None:
    ending = name.lower().rpartition(".")[2] if "." in name else ""
    expected = _EXPECTED.get(ending)
    if expected is not None and found not in expected:
        raise ExportUnsafe(
            f"What arrived is not what its name promises: a file ending in .{ending}.",
            detail=f"the bytes are of kind {found}",
        )


def _unsafe(what: str) -> ExportUnsafe:
    return ExportUnsafe(f"What arrived {what}.")

"""The only home of the import pack: all that a backup has of records, as files that a CRM's own
importer takes, in the order in which they must be loaded, with a page of what to click.

What refers to another table comes after it: accounts before contacts before deals. A CSV has the
vendor's own bytes in it, so nothing that looks like a number loses its zeros; what no CRM imports
(JSON, vCard, SQL) becomes CSV, each cell as it was.
"""

from __future__ import annotations

import csv
import re
from codecs import getincrementaldecoder
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from html import escape
from io import StringIO
from pathlib import Path, PurePosixPath

from ..core.ports import Watch
from ..core.words import plural
from .extracted import Extracted
from .hidden import in_words
from .importers import IMPORTERS
from .looks import look_at
from .reading import tables_of, told_of
from .tables.ids import words
from .tables.rows import Frame, Rows
from .tables.table import Table
from .tables.writing import Files, created

PAGE = "HOW-TO-IMPORT.html"
_RANKS = (
    {"user", "owner", "employee", "team"},
    {"account", "company", "organization", "organisation", "firm", "party"},
    {"contact", "person", "people", "customer", "lead", "kontakt", "kunde", "book"},
    {"product", "pricebook", "campaign"},
    {"deal", "opportunity", "quote", "order", "invoice", "case", "ticket", "project"},
    set[str](),  # what nobody knows
    {"member", "item", "line", "role", "link"},
    {"activity", "task", "event", "call", "meeting", "appointment", "note", "email", "mail"},
    {"attachment", "document", "file"},
)
"""By the words of a table's name, in the singular; the last that fits counts."""
_UNKNOWN = 5
_CSV = frozenset({".csv", ".tsv", ".tab", ".txt"})
_BLOCK_BYTES = 1 << 20
_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_UNFIT = re.compile(r"[\x00-\x1f/\\:*?\"<>|]")


def packed(
    root: Path, only: Sequence[str], into: Path, folder: Path, watch: Watch
) -> tuple[Path, ...]:
    """Given an extracted archive and an empty folder for its files, write a pack below `into`.

    `only` are patterns of tables; none means all. Return the paths, the page first; nothing where
    there are no such tables. Raise ApplianceError where something lies there already,
    RepositoryDamaged, Cancelled.
    """
    archive = Extracted.at(root, folder)
    found = load_order(tables_of(archive, folder, only, watch))
    if not found:
        return ()
    width = max(2, len(str(len(found))))
    with Files(into) as files:
        for number, table in enumerate(found, 1):
            watch.check()
            _put(table, f"{number:0{width}} {_UNFIT.sub('_', table.name)}", files, watch)
        created(into / PAGE).close()
        counts = files.counts
    hidden = [(table.name, said) for table in found if (said := _hidden(archive, table))]
    page = _page([(path, counts[path]) for path in sorted(counts)], hidden)
    (into / PAGE).write_text(page, "utf-8")
    return (into / PAGE, *sorted(counts))


def load_order(tables: Mapping[str, Table]) -> list[Table]:
    """Return tables such that whatever a table refers to comes before it, as far as that goes."""
    left = sorted(tables.values(), key=lambda table: (_rank(table.name), table.name))
    ordered: list[Table] = []
    while left:
        names = {table.name for table in left}
        free = (table for table in left if not _refers_to(table, names - {table.name}))
        ordered.append(next(free, left[0]))  # of those that refer to each other the first
        left.remove(ordered[-1])
    return ordered


def _refers_to(table: Table, names: Collection[str]) -> bool:
    """Whether a column holds ids of another table: `Account ID`, `accountid`, `Account: ID`."""
    known = {_singular("".join(words(name.casefold()))) for name in names}
    for column in table.columns:
        told = "".join(words(column.casefold()))
        if told.endswith("id") and _singular(told[:-2]) in known:
            return True
    return False


def _rank(name: str) -> int:
    told = {_singular(word) for word in words(name.casefold())}
    fits = [rank for rank, known in enumerate(_RANKS) if told & known]
    return fits[-1] if fits else _UNKNOWN


def _singular(word: str) -> str:
    for many, one in (("ies", "y"), ("sses", "ss"), ("s", "")):
        if word.endswith(many) and not word.endswith("ss"):
            return word.removesuffix(many) + one
    return word


def _put(table: Table, name: str, files: Files, watch: Watch) -> None:
    """Write all of a table."""
    for member, part in table.parts.items():
        suffix = part.frame.suffix or PurePosixPath(member).suffix.lower()
        is_csv = suffix in _CSV
        frame = part.frame if is_csv else _csv_frame(table.columns)
        for raw in part.raws() if is_csv else _as_csv(part, table.columns):
            watch.check()
            files.put(f"{name}{suffix if is_csv else '.csv'}", frame, raw)


def _csv_frame(columns: Sequence[str]) -> Frame:
    return Frame(opening=_line(columns) + b"\r\n", between=b"\r\n", closing=b"\r\n")


def _as_csv(part: Rows, columns: Sequence[str]) -> Iterator[bytes]:
    places = [list(part.columns).index(name) if name in part.columns else -1 for name in columns]
    for _, cells in part.rows():
        yield _line([cells[at] if 0 <= at < len(cells) else "" for at in places])


def _line(cells: Sequence[str]) -> bytes:
    text = StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="").writerow(cells)
    return text.getvalue().encode("utf-8", "replace")


def _hidden(archive: Extracted, table: Table) -> str:
    """Which columns hold pseudonyms, that would overwrite what the CRM has."""
    return in_words(told_of(archive, table).get("masked", ()), ())


def _page(files: Sequence[tuple[Path, int]], hidden: Sequence[tuple[str, str]]) -> str:
    rows = "\n".join(
        f"<li><strong>{escape(path.name)}</strong>: {plural(count, 'record')}, {_written(path)}"
        for path, count in files
    )
    crms = "\n".join(
        f"<details><summary>{escape(each.name)}</summary>"
        + (f"<p><b>Look here first.</b> {escape(each.bin)}</p>" if each.bin else "")
        + f"<ol>{''.join(f'<li>{escape(step)}</li>' for step in each.steps)}</ol>"
        + f"<p><b>Ids.</b> {escape(each.ids)}</p></details>"
        for each in IMPORTERS
    )
    left_out = "".join(_LEFT_OUT.format(escape(name), escape(said)) for name, said in hidden)
    return _HTML.replace("FILES", rows).replace("HIDDEN", left_out).replace("CRMS", crms)


def _written(path: Path) -> str:
    """How a file is written, as an importer asks for it."""
    look = look_at(path, path.name)
    delimiter = _DELIMITERS.get(look.delimiter, look.delimiter)
    encoding = "UTF-16" if look.encoding == "utf-16" else _eight_bit(path)
    return f"separator: {delimiter}, encoding: {encoding}"


def _eight_bit(path: Path) -> str:
    """UTF-8 where it is that to its last byte."""
    decoder = getincrementaldecoder("utf-8")()
    with path.open("rb") as file, suppress(UnicodeDecodeError):
        for block in iter(partial(file.read, _BLOCK_BYTES), b""):
            decoder.decode(block)
        decoder.decode(b"", final=True)
        return "UTF-8"
    return "Windows-1252 (also called ANSI or Western)"


_LEFT_OUT = """<li>Of <strong>{}</strong> leave out {} when you say which column is which: what
stands there stands for a value that was never stored, and would overwrite the one in your CRM.</li>
"""
_HTML = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>How to load this back into your CRM</title>
<style>body{font:1rem/1.5 system-ui,sans-serif;max-width:42rem;margin:2rem auto;padding:0 1rem}
summary{font-weight:bold;padding:.4rem 0}</style></head><body>
<h1>How to load this back into your CRM</h1>
<ol>
<li>Was it deleted a short while ago? Look into your CRM's own bin first: what comes from there
keeps its id and its links.</li>
<li>Do not open these files in a spreadsheet program: it takes zeros from numbers and postal codes,
and turns telephone numbers into sums. If you must look, import them there as text.</li>
<li>Switch off what your CRM does by itself with new records: welcome mails, assignments,
alerts.</li>
<li>Try the first file with three records of it, and look at them.</li>
<li>Load the files in their order. Each refers to those before it.</li>
HIDDEN</ol>
<h2>The files, in their order</h2>
<ol>
FILES
</ol>
<h2>What to click</h2>
CRMS
</body></html>
"""

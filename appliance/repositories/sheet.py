"""The emergency sheet: the one page that brings a repository back without this box.

Whoever holds this page, the disk and any computer with stock Borg can restore everything; so the
page is printed and kept where the disk is not.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from html import escape
from itertools import groupby
from pathlib import Path

import segno

OPENED_BY = "Borg 1.4 or 1.2"
"""Measured: Debian's 1.2.4 lists, checks and extracts what 1.4.5 wrote. Not Borg 2."""

_WORDS = 12
"""Of a list of 2048: 132 bits. Borg stretches a passphrase too little to save a weak one (A19)."""
_QUIET = 4
"""What a QR code needs around it, in its own squares."""


@cache
def word_list() -> tuple[str, ...]:
    """Return the 2048 English words of BIP 39 (MIT licence): three to eight letters, no two alike
    in their first four.
    """
    return tuple((Path(__file__).with_name("words.txt")).read_text(encoding="ascii").split())


def new_passphrase() -> str:
    """Return a passphrase of at least 128 random bits, as words that are easy to type."""
    return "-".join(secrets.choice(word_list()) for _ in range(_WORDS))


def words_of(passphrase: str) -> tuple[str, ...]:
    """Return a passphrase in the pieces that a person reads; joined by dashes they are it again.

    An older one has groups of letters where a newer one has words.
    """
    return tuple(passphrase.split("-"))


@dataclass(frozen=True, slots=True)
class Sheet:
    """What the sheet of one repository says."""

    appliance: str
    """The box's name, as the office knows it."""
    repository: str
    repository_id: str
    location: str
    """Where the repository lies on its disk or host: the folder or `ssh://` address."""
    passphrase: str
    key: str
    """What `borg key export --paper` printed, for when the repository's own key is damaged."""
    borg_version: str
    made: datetime


def facts(sheet: Sheet) -> dict[str, object]:
    """Return what the sheet says as plain JSON values, for whoever draws it.

    In `steps`, what is to be typed stands between backticks; `code` is the passphrase as a QR
    code: a path in squares of one, and how many of them it is wide and high.
    """
    return {
        "title": f"Emergency sheet: {sheet.repository}",
        "rows": list(_rows(sheet).items()),
        "passphrase": sheet.passphrase,
        "words": list(words_of(sheet.passphrase)),
        "code": _code(sheet.passphrase),
        "steps": list(_steps(sheet)),
        "key": sheet.key.strip(),
    }


def render(sheet: Sheet) -> str:
    """Return the sheet as one self-contained HTML page that prints on A4."""
    code = _code(sheet.passphrase)
    rows = _rows(sheet).items()
    words = "".join(f"<li>{escape(word)}</li>" for word in words_of(sheet.passphrase))
    return _PAGE.format(
        title=escape(f"Emergency sheet: {sheet.repository}"),
        rows="".join(f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in rows),
        words=words,
        passphrase=escape(sheet.passphrase),
        code=_SQUARES.format(**code),
        steps="".join(f"<li>{_marked(step)}</li>" for step in _steps(sheet)),
        key=escape(sheet.key.strip()),
    )


def _rows(sheet: Sheet) -> Mapping[str, str]:
    return {
        "Box": sheet.appliance,
        "Copy": sheet.repository,
        "Lies in": sheet.location,
        "Identity": sheet.repository_id,
        "Made with": f"Borg {sheet.borg_version}; {OPENED_BY} opens it",
        "Printed": f"{sheet.made:%d %B %Y}",
    }


def _code(text: str) -> dict[str, object]:
    """Return the text as a QR code: its size with the margin, and its dark squares as a path."""
    matrix = segno.make_qr(text, error="q").matrix
    path = ""
    for y, row in enumerate(matrix):
        x = 0
        for dark, run in groupby(row):
            width = len(list(run))
            if dark:
                path += f"M{x + _QUIET} {y + _QUIET}h{width}v1h-{width}z"
            x += width
    return {"size": len(matrix) + 2 * _QUIET, "path": path}


def _marked(step: str) -> str:
    """Return a step as HTML, with what is to be typed marked as such."""
    return re.sub(r"`(.*?)`", r"<code>\1</code>", escape(step))


def _steps(sheet: Sheet) -> tuple[str, ...]:
    """Return what to do; what is to be typed stands between backticks."""
    place = "REPOSITORY"
    folder = sheet.location.rstrip("/").rpartition("/")[2].replace("`", "'")
    return (
        (
            f"On any computer with Linux or macOS install {OPENED_BY} (`borgbackup`) "
            "and `zstd`. Plug the disk in."
        ),
        (
            f"Find the folder `{folder}` on it; below it is called {place}. "
            "(It holds the files `config` and `README`.)"
        ),
        (
            f"List what is kept: `borg list {place}`. It asks for the passphrase above: "
            "type it with its dashes. Say `y` if asked about a moved repository."
        ),
        f"In an empty folder, bring one backup back: `borg extract {place}::NAME-FROM-THE-LIST`.",
        (
            "Open `HOW-TO-RESTORE.txt` in it: one more command for files that were "
            "kept as differences."
        ),
        (
            "Never run `borg check --\u200brepair` on the only copy. If Borg says that "
            f"the key is missing: `borg key import --paper {place}` and the lines below."
        ),
    )


_SQUARES = (
    '<svg width="42mm" height="42mm" viewBox="0 0 {size} {size}" shape-rendering="crispEdges">'
    '<path fill="#fff" d="M0 0h{size}v{size}h-{size}z"/><path d="{path}"/></svg>'
)

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
@page {{ size: A4; margin: 14mm }}
body {{ font: 10.5pt/1.35 sans-serif; color: #000; max-width: 180mm; margin: 0 auto }}
h1 {{ font-size: 17pt; margin: 0 0 2mm }}
h2 {{ font-size: 11.5pt; margin: 4mm 0 1mm }}
p {{ margin: 0 0 2mm }}
table {{ border-collapse: collapse }}
th {{ text-align: left; font-weight: normal; color: #444; padding-right: 5mm; vertical-align: top }}
td {{ overflow-wrap: anywhere }}
.secret {{ display: flex; gap: 6mm; align-items: center; border: 1px solid #000; padding: 3mm }}
.secret code {{ font-weight: bold; overflow-wrap: anywhere }}
.secret ol {{ columns: 3; font: bold 12.5pt/1.5 monospace; margin: 0 0 2mm }}
ol {{ margin: 0; padding-left: 6mm }}
pre {{ font-size: 8pt; line-height: 1.2; margin: 0; white-space: pre-wrap }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>Keep this page away from the disk. Whoever has both can read everything;
without this page nobody can, not even you.</p>
<table>{rows}</table>
<h2>Passphrase</h2>
<div class="secret">{code}<div><ol>{words}</ol>
<p>In one piece, as it is typed:</p><code>{passphrase}</code></div></div>
<h2>Getting everything back without the box</h2>
<ol>{steps}</ol>
<h2>The key, in case the disk's own is damaged</h2>
<pre>{key}</pre>
</body>
</html>
"""

"""The emergency sheet: the one page that brings a repository back without this box.

Whoever holds this page, the disk and any computer with stock Borg can restore everything; so the
page is printed and kept where the disk is not.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from html import escape

import segno

_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""No i, l, o, 0, 1: nothing that print or handwriting confuses. 31 letters, 4.95 bits each."""

OPENED_BY = "Borg 1.4 or 1.2"
"""Measured: Debian's 1.2.4 lists, checks and extracts what 1.4.5 wrote. Not Borg 2."""

_GROUPS = 7
_GROUP_LETTERS = 4
"""28 letters are 138 bits; Borg stretches a passphrase too little to save a weak one (A19)."""


def new_passphrase() -> str:
    """Return a passphrase of at least 128 random bits, in groups that are easy to type."""
    groups = (
        "".join(secrets.choice(_ALPHABET) for _ in range(_GROUP_LETTERS)) for _ in range(_GROUPS)
    )
    return "-".join(groups)


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


def render(sheet: Sheet) -> str:
    """Return the sheet as one self-contained HTML page that prints on A4."""
    facts = {
        "Box": sheet.appliance,
        "Copy": sheet.repository,
        "Lies in": sheet.location,
        "Identity": sheet.repository_id,
        "Made with": f"Borg {sheet.borg_version}; {OPENED_BY} opens it",
        "Printed": f"{sheet.made:%d %B %Y}",
    }
    rows = "".join(f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in facts.items())
    steps = "".join(f"<li>{step}</li>" for step in _steps(sheet))
    return _PAGE.format(
        title=escape(f"Emergency sheet: {sheet.repository}"),
        rows=rows,
        passphrase=escape(sheet.passphrase),
        code=_code(sheet.passphrase),
        steps=steps,
        key=escape(sheet.key.strip()),
    )


def _code(text: str) -> str:
    """Return the text as a QR code, drawn inside the page."""
    return segno.make_qr(text, error="q").svg_inline(scale=3, dark="#000", light="#fff")


def _steps(sheet: Sheet) -> tuple[str, ...]:
    """Return what to do, as HTML; every value in it is escaped."""
    place = "REPOSITORY"
    folder = escape(sheet.location.rstrip("/").rpartition("/")[2])
    return (
        (
            f"On any computer with Linux or macOS install {OPENED_BY} (<code>borgbackup</code>) "
            "and <code>zstd</code>. Plug the disk in."
        ),
        (
            f"Find the folder <code>{folder}</code> on it; below it is called {place}. "
            "(It holds the files <code>config</code> and <code>README</code>.)"
        ),
        (
            f"List what is kept: <code>borg list {place}</code>. It asks for the passphrase above: "
            "type it with its dashes. Say <code>y</code> if asked about a moved repository."
        ),
        (
            "In an empty folder, bring one backup back: "
            f"<code>borg extract {place}::NAME-FROM-THE-LIST</code>."
        ),
        (
            "Open <code>HOW-TO-RESTORE.txt</code> in it: one more command for files that were "
            "kept as differences."
        ),
        (
            "Never run <code>borg check --&#8203;repair</code> on the only copy. If Borg says that "
            f"the key is missing: <code>borg key import --paper {place}</code> and the lines below."
        ),
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
.secret code {{ font-size: 15pt; font-weight: bold }}
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
<div class="secret">{code}<code>{passphrase}</code></div>
<h2>Getting everything back without the box</h2>
<ol>{steps}</ol>
<h2>The key, in case the disk's own is damaged</h2>
<pre>{key}</pre>
</body>
</html>
"""

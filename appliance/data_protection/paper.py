"""The sheet on paper: one page of A4, like the emergency sheet, and in need of nothing else.

Part of the rim.
"""

from __future__ import annotations

import re
from html import escape

from .sheet import DataSheet, Part


def render(sheet: DataSheet) -> str:
    """Return the sheet as one self-contained HTML page that prints on A4."""
    return _PAGE.format(
        title=escape(sheet.title),
        about=escape(sheet.about),
        parts="".join(_part(each) for each in sheet.parts),
    )


def _part(part: Part) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(about)}</th><td>{_marked(said)}</td></tr>\n'
        for about, said in part.rows
    )
    return f"<h2>{escape(part.title)}</h2>\n<table>\n{rows}</table>\n" if rows else ""


def _marked(said: str) -> str:
    return re.sub(r"`(.*?)`", r"<code>\1</code>", escape(said))


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
@page {{ size: A4; margin: 10mm 12mm }}
body {{ font: 8.3pt/1.25 sans-serif; color: #000; max-width: 186mm; margin: 0 auto }}
h1 {{ font-size: 14pt; margin: 0 0 1mm }}
h2 {{ font-size: 9.5pt; margin: 1.8mm 0 .6mm }}
p {{ margin: 0 0 1mm }}
table {{ border-collapse: collapse; width: 100% }}
th {{ text-align: left; font-weight: normal; color: #444; width: 30mm; padding: 0 4mm .4mm 0;
vertical-align: top; overflow-wrap: anywhere }}
td {{ padding: 0 0 .4mm; overflow-wrap: anywhere }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{about}</p>
{parts}</body>
</html>
"""

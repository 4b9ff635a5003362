"""The label on the box: lamps, rhythms, codes and gestures, from the one table, to print.

Part of the rim. Black on white and 9 cm wide, so that any printer will do; every rhythm is drawn
as well as named, for nobody counts from words alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import chain
from textwrap import wrap

from .core.gestures import GESTURES
from .core.signals import COPY_MEANINGS, LAMPS, TOGETHER_MEANINGS, Lamp, Pattern, legend

WIDTH_MM = 90.0
_MARGIN_MM = 4.0
_TEXT_MM = 2.7
_LINE_MM = 3.5
_LETTER_MM = 1.38
"""What a letter takes on average; rather too much, so that no printer's font runs over the edge."""
_BOLD_EXTRA = 0.25
"""How much more a bold letter takes."""
_STRIP_MM = 21.0
_STRIP_SECONDS = 6.0
_INDENT_MM = _MARGIN_MM + _STRIP_MM + 2.5
_STYLE = (
    "text{font-family:'DejaVu Sans','Liberation Sans',Arial,sans-serif;fill:#000}"
    f".t{{font-size:{_TEXT_MM}px}}.b{{font-weight:bold}}.h{{font-size:3px;font-weight:bold}}"
)


def label() -> str:
    """Return the label as an SVG page of its own size."""
    paper = _Paper()
    paper.lamps()
    for lamp in (Lamp.OFFICE, Lamp.CLOUD):
        paper.heading(LAMPS[lamp].label)
        for pattern, meaning in COPY_MEANINGS[lamp].items():
            paper.rhythm(pattern, (meaning,))
    paper.heading(LAMPS[Lamp.ATTENTION].label)
    for pattern, meanings in legend(Lamp.ATTENTION).items():
        paper.rhythm(pattern, meanings)
    paper.heading("ALL LAMPS TOGETHER")
    for pattern, meaning in TOGETHER_MEANINGS.items():
        paper.rhythm(pattern, (meaning,))
    paper.heading("THE BUTTON")
    for each in GESTURES:
        paper.text(f"{each.gesture}:", each.meaning, _MARGIN_MM)
    return paper.page()


class _Paper:
    """Fills a page from the top."""

    def __init__(self) -> None:
        self._y = _MARGIN_MM
        self._parts: list[str] = []

    def lamps(self) -> None:
        """Draw where each lamp shines through, with its label."""
        for number, lamp in enumerate(Lamp):
            x = WIDTH_MM * (number + 0.5) / len(Lamp)
            self._parts.append(
                f'<circle cx="{x:g}" cy="{self._y + 3:g}" r="2.6" fill="none" stroke="#000" '
                'stroke-width="0.4"/>'
                f'<text class="h" x="{x:g}" y="{self._y + 10:g}" text-anchor="middle">'
                f"{escape(LAMPS[lamp].label)}</text>"
            )
        self._y += 12.0

    def heading(self, words: str) -> None:
        """Begin a part."""
        y = self._y + 1.2
        self._parts.append(
            f'<path d="M{_MARGIN_MM:g} {y:g}H{WIDTH_MM - _MARGIN_MM:g}" stroke="#000" '
            'stroke-width="0.2"/>'
            f'<text class="h" x="{_MARGIN_MM:g}" y="{y + 4:g}">{escape(words)}</text>'
        )
        self._y = y + 5.2

    def rhythm(self, pattern: Pattern, meanings: Sequence[str]) -> None:
        """Draw a rhythm and say what it means."""
        self._parts.extend(_strip(pattern, self._y + _LINE_MM / 2))
        self.text(f"{pattern.words}:", ", or ".join(meanings), _INDENT_MM)

    def text(self, lead: str, words: str, left_mm: float) -> None:
        """Write words after a bold lead, over as many lines as they take."""
        letters = int((WIDTH_MM - _MARGIN_MM - left_mm) / _LETTER_MM)
        wider = " " * round(len(lead) * _BOLD_EXTRA)
        first, *others = wrap(f"{lead} {words}", letters, initial_indent=wider)
        first = first.lstrip()
        bold = f'<tspan class="b">{escape(lead)}</tspan>{escape(first[len(lead) :])}'
        for line in chain((bold,), map(escape, others)):
            self._y += _LINE_MM
            self._parts.append(
                f'<text class="t" x="{left_mm:g}" y="{self._y - 0.7:g}">{line}</text>'
            )
        self._y += 0.4

    def page(self) -> str:
        """Return all of it, with a line to cut along."""
        height = self._y + _MARGIN_MM
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH_MM:g}mm" '
            f'height="{height:g}mm" viewBox="0 0 {WIDTH_MM:g} {height:g}">\n'
            f"<title>What the lamps say</title><style>{_STYLE}</style>\n"
            f'<rect x="0.2" y="0.2" width="{WIDTH_MM - 0.4:g}" height="{height - 0.4:g}" rx="3" '
            'fill="#fff" stroke="#000" stroke-width="0.3"/>\n'
            + "\n".join(self._parts)
            + "\n</svg>\n"
        )


def _strip(pattern: Pattern, y: float) -> list[str]:
    """Draw the first seconds of a rhythm: thick where it is lit, a line where it is dark."""
    scale = _STRIP_MM / _STRIP_SECONDS
    parts = [f'<path d="M{_MARGIN_MM:g} {y:g}h{_STRIP_MM:g}" stroke="#000" stroke-width="0.15"/>']
    at = 0.0
    while at < _STRIP_SECONDS:
        is_lit, rest = pattern.at(at)
        length = min(rest or _STRIP_SECONDS, _STRIP_SECONDS - at)
        if is_lit:
            parts.append(
                f'<rect x="{_MARGIN_MM + at * scale:.2f}" y="{y - 0.9:g}" '
                f'width="{length * scale:.2f}" height="1.8"/>'
            )
        at += length
    return parts

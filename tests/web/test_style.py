"""The look: contrast by the numbers, and a first screen that is small."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import appliance.web
from tests.web.conftest import ORIGIN
from tests.web.offices import OFFICES, days

STATIC = Path(appliance.web.__file__).parent / "static"
STYLE = (STATIC / "style.css").read_text()
MOST_BYTES = 40_000
TEXT, LARGE = 4.5, 3.0
"""WCAG 2.2, 1.4.3 and 1.4.11: words, and the outlines of what can be pressed."""
PAIRS = [
    *((ink, ground, TEXT) for ink in ("ink", "soft", "good", "act", "alarm", "press")
      for ground in ("card", "paper")),
    *((hue, f"{hue}-tint", TEXT) for hue in ("good", "act", "alarm", "press")),
    *(("ink", f"{hue}-tint", TEXT) for hue in ("good", "act", "alarm", "press")),
    ("soft", "good-tint", TEXT), ("soft", "act-tint", TEXT),
    ("soft", "alarm-tint", TEXT), ("soft", "press-tint", TEXT),
    ("on", "press", TEXT),
    ("edge", "card", LARGE), ("edge", "paper", LARGE),
]  # fmt: skip


def colours(scheme):
    """The custom properties of a scheme: those of the dark one lie over those of the light one."""
    light, dark = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)[:2]
    found = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]+);", light))
    return found | (
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]+);", dark)) if scheme == "dark" else {}
    )


def luminance(colour):
    """As WCAG 2 defines it."""
    digits = colour[1:] if len(colour) == 7 else "".join(each * 2 for each in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_reckoned_as_the_standard_does():
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#fff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("ink", "ground", "least"), PAIRS)
def test_what_is_written_can_be_read(scheme, ink, ground, least):
    found = colours(scheme)
    assert contrast(found[ink], found[ground]) >= least


def test_each_state_has_a_shape_of_its_own():
    shapes = dict(re.findall(r'^\.(\w+) \{ --hue: [^;]+; --shape: "(.)"', STYLE, re.MULTILINE))
    assert set(shapes) == {"good", "same", "work", "wait", "act", "alarm", "ask"}
    assert len(set(shapes.values())) == 7


def test_no_colour_is_written_but_at_the_top():
    below = STYLE[STYLE.index("* { box-sizing") : STYLE.index("@media print")]
    assert not re.findall(r"#[0-9a-f]{3,8}\b(?![^{]*\{)", below)


def test_the_page_asks_no_other_host():
    for file in (*STATIC.iterdir(), *STATIC.parent.glob("templates/*")):
        text = re.sub(
            r"http://www\.w3\.org/2000/svg|https://json-schema\.org/\S+", "", file.read_text()
        )
        assert not re.search(r"(?:src|href|url\(|fetch\()\W*(?:https?:)?//", text), file


def test_nothing_is_inline_and_nothing_is_trusted_unescaped():
    for file in STATIC.parent.glob("templates/*.html"):
        text = file.read_text()
        assert not re.search(
            r"\sstyle=|<style|\son[a-z]+=|\|\s*safe|<script(?![^>]*\ssrc=)", text
        ), file


@pytest.mark.parametrize("name", OFFICES)
def test_the_first_screen_weighs_little_and_comes_in_one_round_trip(keeper, box, name):
    office = OFFICES[name]()
    box.facts, box.told_days = office.facts, days(office.now)
    html = keeper.get("/", base_url=ORIGIN).text
    parts = set(re.findall(r'(?:href|src)="/static/([^"?]+)', html))
    sizes = {part: (STATIC / part).stat().st_size for part in sorted(parts)}
    sizes["html"] = len(html.encode())
    print(name, sizes, sum(sizes.values()))
    assert sum(sizes.values()) <= MOST_BYTES
    assert parts == {"style.css", "live.js", "icon.svg"}
    assert "@import" not in STYLE

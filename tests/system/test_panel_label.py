"""The printed label and the list of pins: what `appliance panel` shows."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

from appliance.core.gestures import GESTURES
from appliance.core.signals import COPY_MEANINGS, LAMPS, SIGNS, TOGETHER_MEANINGS, Lamp, legend
from tests.system.panel_bench import TABLE

SVG = "{http://www.w3.org/2000/svg}"


def test_the_label_says_every_lamp_rhythm_reason_and_gesture(office, tmp_path):
    office.ok("panel", "label", "--to", tmp_path / "label.svg")
    page = ElementTree.parse(tmp_path / "label.svg").getroot()
    text = re.sub(
        r"\s+", " ", " ".join("".join(each.itertext()) for each in page.iter(SVG + "text"))
    )
    for lamp in Lamp:
        assert LAMPS[lamp].label in text
        for pattern in legend(lamp):
            assert f"{pattern.words}:" in text
    for pattern, meaning in TOGETHER_MEANINGS.items():
        assert f"{pattern.words}: {meaning}" in text
    for sign in SIGNS.values():
        assert sign.words in text
    for meanings in COPY_MEANINGS.values():
        assert all(meaning in text for meaning in meanings.values())
    for each in GESTURES:
        assert f"{each.gesture}: {each.meaning}" in text
    assert page.get("width") == "90mm"


def test_the_label_is_drawn_within_its_edges(office):
    page = ElementTree.fromstring(office.ok("panel", "label"))
    _, _, width, height = map(float, page.get("viewBox").split())
    for each in page.iter(SVG + "text"):
        size = 3.0 if each.get("class") == "h" else 2.7
        bold = sum(len("".join(part.itertext())) for part in each.iter(SVG + "tspan"))
        letters = len("".join(each.itertext()))
        length = (letters + 0.25 * bold) * size * 0.52
        left = float(each.get("x")) - (length / 2 if each.get("text-anchor") else 0)
        assert left >= 0
        assert left + length <= width - 1, "".join(each.itertext())
        assert float(each.get("y")) < height
    # 2.7 mm are 7.7 points: as small as print on a box may be.
    assert "font-size:2.7px" in page.find(SVG + "style").text


def test_the_pins_that_are_used_and_free_are_listed(office):
    assert office.call("panel", "pins").returncode == 1
    office.add("[panel]", **TABLE)
    said = office.ok("panel", "pins")
    assert re.search(r"button +GPIO17 +11\n", said)
    told = json.loads(office.ok("panel", "pins", "--json"))
    assert told["used"] == TABLE
    assert not set(told["free"]) & set(TABLE.values())

"""What lit up and went out, told to whoever draws the lamps elsewhere."""

from __future__ import annotations

import pytest

from appliance.core.face import Edge, Face
from appliance.core.signals import ASKING, OFF, SLOW, STEADY, Lamp, counted

DARK = dict.fromkeys(Lamp, OFF)


def edges_of(face, lamp, since, until):
    return [(round(each.at, 3), each.lit) for each in face.edges(since, until) if each.lamp == lamp]


def test_a_lamp_that_blinks_slowly_changes_each_second():
    face = Face()
    face.draw(DARK | {Lamp.OFFICE: SLOW}, 0.0)
    found = edges_of(face, Lamp.OFFICE, 0.0, 4.5)
    assert [lit for _, lit in found] == [True, False, True, False, True]
    assert [at for at, _ in found] == pytest.approx([0, 1, 2, 3, 4], abs=0.02)


def test_what_does_not_change_is_said_once():
    face = Face()
    face.draw(DARK, 0.0)
    assert face.edges(5.0, 60.0) == tuple(Edge(5.0, lamp, False) for lamp in Lamp)


@pytest.mark.parametrize("pattern", [STEADY, SLOW, ASKING, counted(7)], ids=lambda one: one.words)
def test_told_in_pieces_or_at_once_is_the_same_light(pattern):
    face = Face()
    face.draw(DARK | {Lamp.ATTENTION: pattern}, 0.0)
    at_once = edges_of(face, Lamp.ATTENTION, 0.0, 12.0)[1:]
    piece = [edges_of(face, Lamp.ATTENTION, each / 2, each / 2 + 0.5)[1:] for each in range(24)]
    told = [edge for each in piece for edge in each]
    assert [lit for _, lit in told] == [lit for _, lit in at_once]
    assert [at for at, _ in told] == pytest.approx([at for at, _ in at_once], abs=0.05)

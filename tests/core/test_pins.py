"""The `[panel]` table alone is held to the same rules as the whole configuration."""

from __future__ import annotations

from datetime import time

import pytest

from appliance.config.sections import PanelSection
from appliance.core import pins
from appliance.core.errors import ConfigError

GOOD = {"button": 17, "led_office": 22, "led_cloud": 23, "led_attention": 24}


def _accepts(table):
    try:
        return pins.read(table)
    except ConfigError:
        return None


def _is_accepted_by_the_configuration(table):
    try:
        return PanelSection.model_validate(table)
    except ValueError:
        return None


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"buzzer": 25},
        {"quiet": "19:00-07:00", "night": "22:00-06:30"},
        {"button": 22},
        {"buzzer": 17},
        {"button": 28},
        {"button": -1},
        {"button": "seventeen"},
        {"button": 17.5},
        {"button": 17.0},
        {"button": "17"},
        {"button": True},
        {"quiet": "19-7"},
        {"quiet": "24:00-07:00"},
        {"night": "22:00"},
        {"led_red": 5},
    ],
)
def test_table_and_configuration_accept_and_refuse_the_same(changes):
    ours, theirs = _accepts(GOOD | changes), _is_accepted_by_the_configuration(GOOD | changes)
    assert (ours is None) == (theirs is None)
    if ours is not None and theirs is not None:
        keys = (*GOOD, "buzzer", "quiet", "night")
        assert {key: getattr(ours, key) for key in keys} == {
            key: getattr(theirs, key) for key in keys
        }


@pytest.mark.parametrize("key", GOOD)
def test_every_pin_is_needed(key):
    table = {name: pin for name, pin in GOOD.items() if name != key}
    assert _accepts(table) is None
    assert _is_accepted_by_the_configuration(table) is None


def test_all_problems_are_named_at_once():
    with pytest.raises(ConfigError) as caught:
        pins.read({"button": 22, "led_office": 22, "led_cloud": 99, "buzer": 4})
    said = str(caught.value)
    assert "button and led_office are both on pin 22" in said
    assert "panel.led_cloud: 99 is not a pin" in said
    assert "panel.led_attention: is missing" in said
    assert 'did you mean "buzzer"' in said


def test_a_map_is_read_back_from_its_own_table():
    whole = pins.read(GOOD | {"buzzer": 25, "night": "22:00-06:30"})
    assert pins.read(whole.as_table()) == whole
    assert pins.read(pins.read(GOOD).as_table()) == pins.read(GOOD)


@pytest.mark.parametrize(
    ("part", "moment", "inside"),
    [
        ((time(22), time(6, 30)), time(23), True),
        ((time(22), time(6, 30)), time(6, 29), True),
        ((time(22), time(6, 30)), time(6, 30), False),
        ((time(22), time(6, 30)), time(12), False),
        ((time(8), time(18)), time(8), True),
        ((time(8), time(18)), time(18), False),
        (None, time(3), False),
    ],
)
def test_a_part_of_the_day_may_go_over_midnight(part, moment, inside):
    assert pins.is_within(part, moment) is inside


def test_every_number_comes_out_at_its_own_pin_of_the_header():
    assert set(pins.PLACES) == set(range(pins.LAST_PIN + 1))
    assert len(set(pins.PLACES.values())) == len(pins.PLACES)
    # Power and ground carry no number; https://pinout.xyz
    assert not {1, 2, 4, 6, 9, 14, 17, 20, 25, 30, 34, 39} & set(pins.PLACES.values())

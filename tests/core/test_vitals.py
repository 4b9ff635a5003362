"""How the machine stands: every judgement by table, with what real machines say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core import vitals
from appliance.core.signals import Reason
from appliance.core.vitals import Card, Condition, Memory, Power, SystemDisk, Vital

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
OK, LOOK, UNKNOWN = Condition.OK, Condition.LOOK, Condition.UNKNOWN
GB, MB = 10**9, 10**6


@pytest.mark.parametrize(
    ("mask", "state", "words", "reason"),
    [
        (0x0, OK, "strong enough", None),
        (0x50005, LOOK, "too low at this moment", Reason.POWER),
        (0x1, LOOK, "too low at this moment", Reason.POWER),
        (0x50000, LOOK, "at times since", None),
        (0x10000, LOOK, "at times since", None),
        (0x80008, OK, "strong enough", None),  # the soft limit of a Pi 3B+: warm, not weak
        (0xE0008, OK, "strong enough", None),
        (0x20002, OK, "strong enough", None),
    ],
)
def test_D1_what_the_firmware_says_of_the_supply(mask, state, words, reason):
    vital = vitals.power(vitals.power_of(mask))
    assert (vital.state, vital.reason) == (state, reason)
    assert words in vital.sentence
    assert bool(vital.todo) is (state is LOOK)


def test_D1_a_machine_that_says_nothing_of_its_supply_is_not_called_well():
    vital = vitals.power(Power())
    assert (vital.state, vital.todo, vital.reason) == (UNKNOWN, "", None)
    assert vitals.power(Power(low_now=False)).state is OK


@pytest.mark.parametrize(
    ("celsius", "mask", "state", "words"),
    [
        (48.3, 0x0, OK, "48 °C"),
        (79.9, 0x0, OK, "80 °C"),
        (80.0, 0x0, LOOK, "80 °C"),
        (85.7, 0xE0006, LOOK, "86 °C"),
        (62.0, 0x80008, OK, "62 °C"),
        (70.0, 0x4, LOOK, "70 °C"),  # throttled, and not for want of voltage
        (50.0, 0x50005, OK, "50 °C"),  # throttled for want of voltage
        (None, 0x0, UNKNOWN, "does not tell"),
        (None, 0x4, LOOK, "unknown"),
        (-273.0, 0x0, UNKNOWN, "does not tell"),
        (9999.0, 0x0, UNKNOWN, "does not tell"),
    ],
)
def test_how_warm_the_box_is(celsius, mask, state, words):
    vital = vitals.temperature(celsius, vitals.power_of(mask))
    assert vital.state is state
    assert vital.reason is (Reason.FAULT if state is LOOK else None)
    assert words in vital.sentence


def test_whether_the_clock_is_right():
    assert vitals.clock(trusted=True).state is OK
    doubtful = vitals.clock(trusted=False)
    assert (doubtful.state, doubtful.reason) == (LOOK, Reason.CLOCK)
    assert "internet" in doubtful.todo


@pytest.mark.parametrize(
    ("total", "available", "state"),
    [
        (512 * MB, 300 * MB, OK),
        (512 * MB, 34 * MB, OK),
        (512 * MB, 30 * MB, LOOK),
        (8 * GB, 330 * MB, OK),
        (8 * GB, 300 * MB, LOOK),
        (0, 0, UNKNOWN),
    ],
)
def test_whether_there_is_memory(total, available, state):
    assert vitals.memory(Memory(total, available)).state is state
    assert vitals.memory(None).state is UNKNOWN


@pytest.mark.parametrize(
    ("disk", "state", "reason"),
    [
        (SystemDisk(20 * GB, 32 * GB), OK, None),
        (SystemDisk(2 * GB, 32 * GB), OK, None),
        (SystemDisk(900 * MB, 8 * GB), OK, None),  # still a ninth of a small card
        (SystemDisk(700 * MB, 8 * GB), LOOK, Reason.FULL),
        (SystemDisk(0, 8 * GB), LOOK, Reason.FULL),
        (SystemDisk(-5, 8 * GB), LOOK, Reason.FULL),
        (SystemDisk(20 * GB, 32 * GB, free_files_share=0.01), LOOK, Reason.FULL),
        (SystemDisk(20 * GB, 32 * GB, errors=3), LOOK, Reason.FAULT),
        (SystemDisk(0, 0), UNKNOWN, None),
        (None, UNKNOWN, None),
    ],
)
def test_how_the_systems_own_disk_is(disk, state, reason):
    vital = vitals.system_disk(disk)
    assert (vital.state, vital.reason) == (state, reason)
    assert "-" not in vital.sentence


@pytest.mark.parametrize(
    ("found", "state", "words"),
    [
        (Card("SD"), UNKNOWN, "does not say"),
        (Card("MMC", 10, 1), OK, "0 to 10 %"),
        (Card("MMC", 90, 1), OK, "80 to 90 %"),
        (Card("MMC", 100, 1), LOOK, "nearly worn out"),
        (Card("MMC", 20, 2), LOOK, "nearly worn out"),
        (Card("MMC", 110, 1), LOOK, "is worn out"),
        (Card("MMC", 20, 3), LOOK, "is worn out"),
        (Card("MMC", None, 1), OK, "spare room"),
    ],
)
def test_how_worn_the_card_is(found, state, words):
    vital = vitals.card(found)
    assert vital.state is state
    assert words in vital.sentence


@pytest.mark.parametrize(
    ("hours_ago", "state"),
    [
        ([], OK),
        ([1], OK),
        ([1, 2, 3], OK),
        ([1, 2, 3, 23], LOOK),
        ([25, 26, 27, 28, 29], OK),
        ([-1, -2, -3, -4, -5], OK),  # noted under a clock that was ahead
    ],
)
def test_a_box_that_is_switched_on_again_and_again(hours_ago, state):
    vital = vitals.restarts([NOW - timedelta(hours=hours) for hours in hours_ago], NOW)
    assert vital.state is state


SHOWN = (
    Vital("a", OK, "All is well."),
    Vital("b", LOOK, "Something is wrong.", "Do this.", Reason.POWER),
    Vital("c", UNKNOWN, "Nobody knows, and nobody minds."),
    Vital("d", UNKNOWN, "Nobody knows.", "Think of it."),
    Vital("e", LOOK, "Something else is wrong.", "", Reason.POWER),
)


def test_what_is_shown_is_what_matters_unless_all_is_wanted():
    assert vitals.lines(SHOWN) == [
        "Something is wrong. Do this.",
        "Nobody knows. Think of it.",
        "Something else is wrong.",
    ]
    assert len(vitals.lines(SHOWN, everything=True)) == 5
    assert vitals.reasons(SHOWN) == (Reason.POWER,)


@given(
    st.builds(
        Vital,
        st.text(),
        st.sampled_from(Condition),
        st.text(),
        st.text(),
        st.none() | st.sampled_from(Reason),
    )
)
def test_a_vital_survives_the_socket(vital):
    assert vitals.from_json(vitals.as_json(vital)) == vital
    assert {"name", "state", "sentence", "todo"} <= set(vitals.as_json(vital))


@pytest.mark.parametrize(
    ("said", "silent_seconds", "state", "words"),
    [
        (None, 0.0, UNKNOWN, "not answered yet"),
        ({}, 0.0, OK, "work"),
        ({"why_not": "", "stuck": False}, 89.0, OK, "work"),
        ({"why_not": "", "stuck": False}, 91.0, LOOK, "do not answer"),
        (None, 91.0, LOOK, "do not answer"),
        ({"why_not": "Pin 17 is busy.", "stuck": False}, 0.0, LOOK, "Pin 17 is busy."),
        ({"why_not": "", "stuck": True}, 0.0, LOOK, "stuck"),
        ({"stuck": "nonsense"}, 0.0, OK, "work"),
    ],
)
def test_how_lamps_and_button_are(said, silent_seconds, state, words):
    vital = vitals.panel(said, silent_seconds)
    assert vital.state is state
    assert words in vital.sentence
    assert bool(vital.todo) is (state is LOOK)
    assert vital.reason is None, "its own lamps show its own troubles"

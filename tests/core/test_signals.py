"""What lamps say: each row of the table, and that place and rhythm alone are enough to read it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core import signals
from appliance.core.drawing import (
    BELIEVED_SECONDS,
    Belief,
    can_back_up,
    drawn,
    is_released,
    question,
    sources,
    why,
)
from appliance.core.face import Face
from appliance.core.signals import (
    ABOVE_A_QUESTION,
    ASKING,
    FAST,
    OFF,
    SIGNS,
    SLOW,
    STEADY,
    TOGETHER_MEANINGS,
    Lamp,
    Reason,
    counted,
    legend,
)

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
PATTERNS = (OFF, STEADY, SLOW, FAST, ASKING, *(counted(number) for number in range(1, 8)))


def status(**changes):
    """How a box stands where all is well."""
    return {
        "state": "safe",
        "clock_trusted": True,
        "version": 7,
        "as_of": NOW.isoformat(),
        "good_until": (NOW + timedelta(hours=20)).isoformat(),
        "alive_seconds": 1.5,
        "copies": {"office": "fresh", "cloud": "fresh"},
        "reasons": [],
        "running": None,
        "sources": [{"source": "crm", "places": {"disk-a": None, "cloud": None}}],
        "mirrors": {"cloud": {"keeps": None}},
        "disks": [{"name": "disk-a", "present": True, "in_use": False, "at_rest": True}],
        "ejected": False,
        "pairing": None,
    } | changes


ERASE, ANSWERED = {"question": "Erase the SanDisk?"}, {"question": "", "answer": "It is ready."}


def working(job="crm", step="archive"):
    progress = {"step": step, "done": 1, "total": None} if step else None
    return {"job": job, "started": NOW.isoformat(), "progress": progress}


def lamps(**changes):
    found = drawn(status(**changes), NOW)
    return found[Lamp.OFFICE], found[Lamp.CLOUD], found[Lamp.ATTENTION]


# --- each row of the table ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "office"),
    [
        ({"copies": {"office": "none", "cloud": "none"}, "state": "look"}, OFF),
        ({"copies": {"office": "old", "cloud": "fresh"}, "reasons": ["old"]}, OFF),
        ({}, STEADY),
        ({"running": working()}, SLOW),
        ({"running": working(step=None)}, SLOW),
        ({"running": working("drill:disk-a")}, SLOW),
        ({"running": working(step="mirror")}, STEADY),
        ({"running": working("mirror:cloud")}, STEADY),
        ({"ejected": True}, OFF),
    ],
)
def test_OFFICE_COPY_is_off_steady_or_slow(changes, office):
    assert lamps(**changes)[0] == office


@pytest.mark.parametrize(
    ("changes", "cloud"),
    [
        ({"copies": {"office": "fresh", "cloud": "unset"}}, OFF),
        ({"copies": {"office": "fresh", "cloud": "none"}}, OFF),
        ({"copies": {"office": "fresh", "cloud": "old"}, "reasons": ["cloud"]}, OFF),
        ({}, STEADY),
        ({"running": working()}, STEADY),
        ({"running": working(step="mirror")}, SLOW),
        ({"running": working("mirror:cloud", step=None)}, SLOW),
    ],
)
def test_CLOUD_COPY_is_off_steady_or_slow(changes, cloud):
    assert lamps(**changes)[1] == cloud


@pytest.mark.parametrize(
    ("reason", "pattern"),
    [
        ("old", SLOW),
        ("disk", counted(1)),
        ("export", counted(2)),
        ("held", counted(3)),
        ("cloud", counted(4)),
        ("full", counted(5)),
        ("clock", counted(6)),
        ("power", counted(6)),
        ("silent", counted(7)),
        ("fault", counted(7)),
        ("button", counted(7)),
        ("damaged", FAST),
    ],
)
def test_PLEASE_LOOK_shows_each_reason_as_the_label_says(reason, pattern):
    assert lamps(reasons=[reason])[2] == pattern
    assert SIGNS[Reason(reason)].pattern == pattern


def test_PLEASE_LOOK_is_off_where_there_is_nothing_to_do():
    assert lamps()[2] == OFF


def test_of_several_reasons_the_worst_is_shown_whatever_their_order():
    assert lamps(reasons=["old", "cloud", "damaged"])[2] == FAST
    assert lamps(reasons=["power", "cloud", "disk"])[2] == counted(1)
    assert why(status(reasons=["old", "held"]), NOW, (Reason.BUTTON,)) == (
        Reason.HELD,
        Reason.BUTTON,
        Reason.OLD,
    )


def test_what_only_the_panel_sees_is_shown_too():
    assert drawn(status(), NOW, (Reason.BUTTON,))[Lamp.ATTENTION] == counted(7)


# --- nothing is taken for granted --------------------------------------------------------------


def test_D17_no_believed_status_is_dark_and_asks_to_look():
    assert drawn(None, NOW) == {
        Lamp.OFFICE: OFF,
        Lamp.CLOUD: OFF,
        Lamp.ATTENTION: SIGNS[Reason.SILENT].pattern,
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"good_until": (NOW - timedelta(seconds=1)).isoformat()},
        {"good_until": None},
        {"good_until": "tomorrow"},
        {"good_until": "2030-01-01T00:00:00"},
        {"alive_seconds": 56},
        {"alive_seconds": None},
        {"alive_seconds": -1},
        {"alive_seconds": True},
        {"alive_seconds": float("nan")},
        {"alive_seconds": float("inf")},
        {"alive_seconds": "1"},
    ],
)
def test_D17_a_status_that_cannot_be_true_is_no_status(changes):
    assert lamps(**changes) == (OFF, OFF, SIGNS[Reason.SILENT].pattern)


@pytest.mark.parametrize("key", sorted(status()))
def test_whatever_is_missing_is_never_in_favour(key):
    left = {name: value for name, value in status().items() if name != key}
    found = drawn(left, NOW)
    harmless = {"version", "as_of", "running", "sources", "mirrors", "disks", "ejected", "pairing"}
    if key in harmless:
        assert found[Lamp.OFFICE] == STEADY
    else:
        assert found[Lamp.OFFICE] == OFF or found[Lamp.ATTENTION] != OFF
    assert key not in {"clock_trusted", "copies", "alive_seconds", "good_until"} or (
        found[Lamp.OFFICE] == OFF
    )


def test_without_a_clock_nobody_says_fresh_and_nobody_calls_it_a_lie():
    changes = {"clock_trusted": False, "state": "waiting", "reasons": ["clock"]}
    assert lamps(**changes, good_until=None) == (OFF, OFF, counted(6))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"state": "held"}, Reason.HELD),
        ({"state": "look"}, Reason.OLD),
        ({"state": "getting old"}, Reason.OLD),
        ({"state": "fine"}, Reason.FAULT),
        ({"copies": {"office": "old", "cloud": "fresh"}}, Reason.OLD),
        ({"copies": {"office": "great", "cloud": "fresh"}}, Reason.FAULT),
        ({"copies": {"office": [], "cloud": {}}}, Reason.FAULT),
        ({"reasons": ["martians"]}, Reason.FAULT),
        ({"reasons": [["damaged"], 7]}, Reason.FAULT),
        ({"reasons": None}, Reason.FAULT),
        ({"reasons": "damaged"}, Reason.FAULT),
    ],
)
def test_a_status_that_contradicts_itself_does_not_look_well(changes, reason):
    assert why(status(**changes), NOW) == (reason,)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted(status())), _JSON))
def test_no_status_whatever_raises_and_none_of_nonsense_is_green(changes):
    told = status() | changes
    found = drawn(told, NOW)
    assert set(found) == set(Lamp)
    for decide in (is_released, can_back_up, sources, asked_now, why_now):
        decide(told)
    belief = Belief(0.0)
    belief.heard(told, 1.0)
    belief.status(2.0)
    if "copies" in changes:
        copies = changes["copies"]
        says_so = isinstance(copies, dict) and copies.get("office") == "fresh"
        assert says_so or found[Lamp.OFFICE] != STEADY


def why_now(told):
    return why(told, NOW)


def asked_now(told):
    """The same for what is asked."""
    return question(told, NOW)


# --- the news and their age --------------------------------------------------------------------


def told_at(seconds, **changes):
    return status(as_of=(NOW + timedelta(seconds=seconds)).isoformat(), **changes)


def test_D17_news_are_believed_for_less_than_a_minute():
    belief = Belief(0.0)
    belief.heard(told_at(100, alive_seconds=0), 100.0)
    assert belief.status(100.0 + BELIEVED_SECONDS - 0.1)
    assert belief.status(100.0 + BELIEVED_SECONDS) is None
    assert BELIEVED_SECONDS < 60


def test_D17_a_worker_that_repeats_itself_is_frozen():
    belief = Belief(0.0)
    for at in range(0, 70, 5):
        belief.heard(told_at(0, alive_seconds=0), float(at))
    assert belief.status(69.0) is None
    belief.heard(told_at(70, alive_seconds=0), 70.0)
    assert belief.status(71.0)


def test_D17_a_loop_that_stands_still_counts_on_while_nothing_is_heard():
    belief = Belief(0.0)
    belief.heard(told_at(0, alive_seconds=40), 0.0)
    assert belief.status(14.0)
    assert belief.status(15.0) is None


def test_a_clock_that_is_set_back_costs_one_answer_and_no_alarm():
    belief = Belief(0.0)
    for at in range(0, 200, 15):
        belief.heard(told_at(at - (7200 if at > 60 else 0), alive_seconds=0), float(at))
        assert belief.status(float(at) + 14)


def test_at_the_start_the_worker_gets_its_time_and_no_more():
    belief = Belief(10.0)
    assert belief.is_waiting(60.0)
    assert not belief.is_waiting(65.0)
    assert belief.status(11.0) is None


# --- letting go, backing up ----------------------------------------------------------------------


def disk(**changes):
    return {"name": "disk-a", "present": True, "in_use": False, "at_rest": True} | changes


@pytest.mark.parametrize(
    "changes",
    [
        {"running": working("mirror:cloud", "mirror")},
        {"running": working("crm", "mirror"), "copies": {"office": "old", "cloud": "fresh"}},
        {"running": None},
    ],
)
def test_D19_a_disk_that_is_mounted_for_whatever_is_never_dark_or_steady(changes):
    assert lamps(disks=[disk(in_use=True, at_rest=False)], **changes)[0] is SLOW


@pytest.mark.parametrize(
    ("disks", "released"),
    [
        ([disk()], True),
        ([disk(in_use=True)], False),
        ([disk(at_rest=False)], False),
        ([disk(at_rest=None)], False),
        ([{"name": "disk-a"}], False),
        ([disk(), disk(name="disk-b", at_rest=False)], False),
        ([disk(), disk(name="disk-b", present=False, at_rest=False)], True),
        (None, False),
        ("none", False),
        ([7], False),
    ],
)
def test_D19_safe_to_unplug_only_while_every_disk_is_at_rest(disks, released):
    told = status(ejected=True, disks=disks)
    assert is_released(told) is released
    assert drawn(told, NOW)[Lamp.OFFICE] == (OFF if released else SLOW)


def test_D19_nobody_let_go_so_nothing_is_released():
    assert not is_released(status(ejected=False))
    assert not is_released(status(ejected="yes"))
    assert not is_released(None)


@pytest.mark.parametrize(
    ("changes", "can"),
    [
        ({}, True),
        ({"disks": [disk(present=False)]}, False),
        ({"disks": []}, True),
        ({"disks": [disk(present=False), disk(name="disk-b")]}, True),
        ({"sources": []}, True),
        ({"sources": [], "disks": []}, False),
    ],
)
def test_a_tap_finds_a_disk_or_a_place_that_is_none(changes, can):
    assert can_back_up(status(**changes)) is can
    assert not can_back_up(None)


def test_what_the_page_asks_is_what_the_button_answers():
    assert question(status(pairing=ERASE), NOW) == "Erase the SanDisk?"
    for nothing in (None, status(pairing=None), status(pairing={}), status(pairing=ANSWERED)):
        assert question(nothing, NOW) == ""
    assert question(status(pairing=ERASE, alive_seconds=BELIEVED_SECONDS), NOW) == ""


@pytest.mark.parametrize(
    "changes",
    [{}, {"reasons": ["disk"]}, {"ejected": True}, {"running": working()}, {"reasons": ["old"]}],
)
def test_an_open_question_is_shown_by_all_lamps_together_as_nothing_else_is(changes):
    assert lamps(pairing=ERASE, **changes) == (ASKING, ASKING, ASKING)
    assert ASKING not in lamps(pairing=ANSWERED, **changes)
    assert all(ASKING not in legend(lamp) for lamp in Lamp)


@pytest.mark.parametrize("reason", Reason)
def test_what_is_worse_than_a_question_stays_on_PLEASE_LOOK_while_the_others_ask(reason):
    shown = SIGNS[reason].pattern if reason in ABOVE_A_QUESTION else ASKING
    assert lamps(pairing=ERASE, reasons=[str(reason)]) == (ASKING, ASKING, shown)


def test_a_worker_that_is_not_believed_asks_nothing():
    assert lamps(pairing=ERASE, alive_seconds=90) == (OFF, OFF, counted(7))


def test_lamps_that_ask_do_so_at_the_same_moments_whenever_each_began():
    face = Face()
    face.draw({Lamp.OFFICE: ASKING, Lamp.CLOUD: ASKING, Lamp.ATTENTION: FAST}, 100.0)
    face.draw(dict.fromkeys(Lamp, ASKING), 101.3)
    for number in range(60):
        assert len(set(face.at(101.3 + number / 10).lit.values())) == 1


# --- rhythms ------------------------------------------------------------------------------------


def wave(pattern, seconds=60.0, step=0.05):
    return [pattern.at(number * step)[0] for number in range(round(seconds / step))]


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.words)
def test_no_lamp_flashes_more_often_than_twice_a_second(pattern):
    lit = wave(pattern, step=0.01)
    rises = [number for number in range(1, len(lit)) if lit[number] and not lit[number - 1]]
    for number in range(0, len(lit), 5):
        assert sum(number <= rise < number + 100 for rise in rises) <= signals.FLASHES_A_SECOND


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.words)
def test_a_rhythm_changes_exactly_when_it_says(pattern):
    at, lit = 0.0, pattern.at(0.0)[0]
    for _ in range(50):
        seconds = pattern.at(at)[1]
        if seconds is None:
            assert pattern == OFF
            return
        assert seconds > 0
        assert pattern.at(at + seconds * 0.5)[0] is lit
        at += seconds
        assert pattern.at(at)[0] is not lit
        lit = not lit


def test_the_heartbeat_drops_out_for_a_twentieth_of_a_second_every_ten_seconds():
    assert STEADY.period_seconds == pytest.approx(10)
    assert sum(not lit for lit in wave(STEADY, 10, 0.01)) == pytest.approx(5, abs=1)


def test_slow_is_half_a_flash_and_fast_two_flashes_a_second():
    assert 1 / SLOW.period_seconds == pytest.approx(0.5)
    assert 1 / FAST.period_seconds == pytest.approx(2)


@pytest.mark.parametrize("number", range(1, 8))
def test_counted_flashes_can_be_counted_because_a_long_pause_follows(number):
    pattern = counted(number)
    dark = [segment.seconds for segment in pattern.segments if not segment.lit]
    assert pattern.flashes == number
    assert dark[-1] >= 3 * max(dark[:-1], default=0.5)


def signature(pattern):
    """What somebody without a watch sees: how often it lights up, and how the dark is spread."""
    dark = [segment.seconds for segment in pattern.segments if not segment.lit]
    if pattern in (OFF, STEADY):
        return (pattern.words,)
    pace = "fast" if pattern.period_seconds < 1 else "slow"
    return (pattern.flashes, max(dark) > 2 * min(dark) or max(dark) > 2, pace)


def test_every_two_rhythms_are_told_apart_without_colour_and_without_a_watch():
    for one, other in combinations(PATTERNS, 2):
        assert signature(one) != signature(other)
        # Whenever one looks up, ten seconds of one are never ten seconds of the other.
        a, b = wave(one, 20, 0.1), wave(other, 20, 0.1)
        differences = [
            sum(x is not y for x, y in zip(a[:100], b[shift : shift + 100], strict=True))
            for shift in range(100)
        ]
        assert min(differences) >= 3


_STATUSES = st.fixed_dictionaries(
    {
        "copies": st.fixed_dictionaries(
            {
                "office": st.sampled_from(["none", "fresh", "old"]),
                "cloud": st.sampled_from(["unset", "none", "fresh", "old"]),
            }
        ),
        "reasons": st.lists(st.sampled_from([str(reason) for reason in Reason]), max_size=3),
        "running": st.none()
        | st.builds(working, st.sampled_from(["crm", "mirror:cloud"]), st.sampled_from(["mirror"])),
        "pairing": st.sampled_from([None, ERASE, ANSWERED]),
        "ejected": st.booleans(),
        "clock_trusted": st.booleans(),
        "alive_seconds": st.sampled_from([0, 30, 90]),
        "good_until": st.sampled_from(
            [None, *((NOW + timedelta(hours=by)).isoformat() for by in (-1, 1))]
        ),
    }
)


@given(_STATUSES)
def test_every_state_is_read_back_from_place_and_rhythm_alone(changes):
    """The label maps what is seen to what is meant, and no two meanings look alike."""
    found = drawn(status(**changes), NOW)
    for lamp, pattern in found.items():
        assert pattern in legend(lamp) or pattern in TOGETHER_MEANINGS
    asks = bool(question(status(**changes), NOW))
    assert (found[Lamp.OFFICE] == found[Lamp.CLOUD] == ASKING) is asks
    reasons = why(status(**changes), NOW)
    if found[Lamp.ATTENTION] == ASKING:
        assert asks
        assert not set(reasons[:1]) & ABOVE_A_QUESTION
        return
    read = legend(Lamp.ATTENTION)[found[Lamp.ATTENTION]]
    assert (SIGNS[reasons[0]].words if reasons else signals.NOTHING_TO_DO) in read


@given(_STATUSES)
def test_nothing_but_a_fresh_proved_copy_of_a_moving_worker_is_steady(changes):
    found = drawn(status(**changes), NOW)
    if found[Lamp.OFFICE] == STEADY:
        assert changes["copies"]["office"] == "fresh"
        assert changes["clock_trusted"]
        assert changes["alive_seconds"] < 60
        assert changes["good_until"] is not None
        assert changes["good_until"] > NOW.isoformat()
    if found[Lamp.OFFICE] == OFF and not changes["ejected"]:
        asks = found[Lamp.ATTENTION] != OFF
        assert asks or changes["copies"]["office"] == "none"


def test_every_lamp_has_its_own_place_and_label_and_no_red_stands_by_green():
    letterings = list(signals.LAMPS.values())
    assert len({each.place for each in letterings}) == 3
    assert len({each.label for each in letterings}) == 3
    assert not {"red", "green"} & {each.colour for each in letterings}


def test_every_reason_has_its_sign_and_says_what_to_do():
    assert set(SIGNS) == set(Reason)
    for sign in SIGNS.values():
        assert sign.todo.endswith(".")


# --- the face -------------------------------------------------------------------------------------


def test_feedback_lies_over_the_patterns_and_goes_away_by_itself():
    face = Face()
    face.draw({Lamp.OFFICE: STEADY, Lamp.CLOUD: OFF, Lamp.ATTENTION: OFF}, 100.0)
    face.play(signals.RELEASED, 101.0)
    seen, at = [], 101.0
    for _ in range(6):
        look = face.at(at)
        seen.append((look.lit[Lamp.OFFICE], look.lit[Lamp.CLOUD]))
        at = look.changes_at
    assert [office for office, _ in seen] == [False, True, False, True, False, True]
    assert not any(cloud for _, cloud in seen)


def test_a_wink_turns_every_lamp_round_for_a_moment():
    face = Face()
    face.draw({Lamp.OFFICE: STEADY, Lamp.CLOUD: OFF, Lamp.ATTENTION: OFF}, 100.0)
    face.wink(101.0)
    assert face.at(101.0).lit == {Lamp.OFFICE: False, Lamp.CLOUD: True, Lamp.ATTENTION: True}
    assert face.at(101.0).changes_at == pytest.approx(101.15)
    assert face.at(101.2).lit[Lamp.OFFICE]


def test_a_code_begins_at_its_beginning_and_hearts_beat_together():
    face = Face()
    face.draw({Lamp.OFFICE: STEADY, Lamp.CLOUD: OFF, Lamp.ATTENTION: counted(3)}, 102.2)
    assert face.at(102.2).lit[Lamp.ATTENTION]
    face.draw({Lamp.CLOUD: STEADY}, 104.0)
    look = face.at(109.97)
    assert not look.lit[Lamp.OFFICE]
    assert not look.lit[Lamp.CLOUD]


def test_a_lamp_that_shows_the_same_again_is_not_begun_anew():
    face = Face()
    face.draw({Lamp.ATTENTION: SLOW}, 0.0)
    face.draw({Lamp.ATTENTION: SLOW}, 0.9)
    assert not face.at(1.1).lit[Lamp.ATTENTION]


@pytest.mark.parametrize("reason", Reason)
def test_a_code_that_is_replayed_can_be_counted(reason):
    track = signals.replayed(reason).tracks[Lamp.ATTENTION]
    flashes = sum(segment.lit for segment in track)
    pattern = SIGNS[reason].pattern
    assert not track[0].lit
    assert flashes == pattern.flashes or pattern in (SLOW, FAST)

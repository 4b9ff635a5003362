"""A finger on the button: each row of the gestures, and everything that is no finger."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.gestures import GRAVE_EVERY_SECONDS, STUCK_SECONDS, Act, Gestures

START = 1000.0


class Bench:
    """A button whose time goes by as fast as somebody asks for it."""

    def __init__(self, *, is_down=False, question=""):
        self.now = START
        self.question = question
        self.gestures = Gestures(self.now, is_down=is_down)
        self.acts = []
        self.woken = 0

    def wait(self, seconds):
        """Let time go by, waking up whenever the gestures ask for it."""
        end = self.now + seconds
        while (due := self.gestures.due_at()) <= end:
            self.now = max(self.now, due)
            self._did(self.gestures.elapsed(self.now, self.question))
            self.woken += 1
            assert self.woken < 10_000
        self.now = end

    def press(self):
        self._did(self.gestures.pressed(self.now, self.question))

    def release(self):
        self._did(self.gestures.released(self.now, self.question))

    def hold(self, seconds):
        """Press for so long and let go; return what came of it."""
        before = len(self.acts)
        self.press()
        self.wait(seconds)
        self.release()
        self.wait(1.0)
        return self.acts[before:]

    def _did(self, acts):
        self.acts.extend(acts)


def meaning(acts):
    return [act for act in acts if act not in (Act.WINK, Act.COUNT)][-1:]


@pytest.mark.parametrize(
    ("seconds", "act"),
    [
        (0.01, Act.FORGET),
        (0.04, Act.FORGET),
        (0.06, Act.BACK_UP),
        (0.2, Act.BACK_UP),
        (0.49, Act.BACK_UP),
        (0.51, Act.FORGET),
        (1.5, Act.FORGET),
        (2.99, Act.FORGET),
        (3.01, Act.RELEASE),
        (5.0, Act.RELEASE),
        (9.99, Act.RELEASE),
        (10.01, Act.FORGET),
        (12.0, Act.FORGET),
        (29.0, Act.FORGET),
        (45.0, Act.FORGET),
    ],
)
def test_each_length_of_a_press_means_one_thing(seconds, act):
    assert meaning(Bench().hold(seconds)) == [act]


def test_the_wink_comes_with_the_press_itself():
    bench = Bench()
    bench.press()
    assert bench.acts == [Act.WINK]


def test_a_hold_counts_each_second_up_to_ten_and_then_forgets():
    acts = Bench().hold(12)
    assert acts.count(Act.COUNT) == 10
    assert acts[1:11] == [Act.COUNT] * 10
    assert acts[11] == Act.FORGET
    assert Bench().hold(4.5).count(Act.COUNT) == 4
    assert Act.COUNT not in Bench().hold(0.9)


def test_D16_bounce_at_both_ends_of_a_tap_is_one_tap():
    bench = Bench()
    for _ in range(4):
        bench.press()
        bench.wait(0.003)
        bench.release()
        bench.wait(0.004)
    bench.press()
    bench.wait(0.2)
    for _ in range(4):
        bench.release()
        bench.wait(0.003)
        bench.press()
        bench.wait(0.002)
    bench.release()
    bench.wait(5)
    assert bench.acts == [Act.WINK, Act.BACK_UP]


def test_D16_bounce_in_a_hold_does_not_end_it():
    bench = Bench()
    bench.press()
    bench.wait(2.0)
    bench.release()
    bench.wait(0.02)
    bench.press()
    bench.wait(2.5)
    bench.release()
    bench.wait(1)
    assert meaning(bench.acts) == [Act.RELEASE]


def test_D16_two_taps_are_two_taps():
    bench = Bench()
    assert meaning(bench.hold(0.2)) == meaning(bench.hold(0.2)) == [Act.BACK_UP]


def test_D16_a_wire_that_chatters_with_the_mains_does_nothing():
    bench = Bench()
    for _ in range(250):  # 50 Hz for five seconds
        bench.press()
        bench.wait(0.01)
        bench.release()
        bench.wait(0.01)
    bench.wait(5)
    assert meaning(bench.acts) == [Act.FORGET]
    assert not {Act.BACK_UP, Act.RELEASE} & set(bench.acts)


def test_D16_noise_makes_the_lamps_wink_no_more_than_twice_a_second():
    bench = Bench()
    for _ in range(100):
        bench.press()
        bench.wait(0.02)
        bench.release()
        bench.wait(0.08)
    assert bench.acts.count(Act.WINK) <= 21


@pytest.mark.parametrize("seconds", [0.2, 4.0, 6.0, 40.0])
def test_D16_a_hold_must_have_been_seen_from_the_release_on(seconds):
    bench = Bench(is_down=True)
    bench.wait(seconds)
    bench.release()
    bench.wait(1)
    assert bench.acts == [Act.FORGET]
    assert meaning(bench.hold(4)) == [Act.RELEASE]


@pytest.mark.parametrize("is_down", [True, False])
def test_D16_a_box_that_leans_on_its_button_is_stuck_until_it_is_moved(is_down):
    bench = Bench(is_down=is_down)
    if not is_down:
        bench.press()
    bench.wait(STUCK_SECONDS - 0.1)
    assert not bench.gestures.is_stuck(bench.now)
    bench.wait(0.1)
    assert bench.gestures.is_stuck(bench.now)
    woken = bench.woken
    bench.wait(86_400)
    assert bench.woken == woken
    bench.release()
    bench.wait(1)
    assert not bench.gestures.is_stuck(bench.now)
    assert meaning(bench.acts) == [Act.FORGET]


def test_D16_at_most_one_release_a_minute():
    bench = Bench()
    assert meaning(bench.hold(4)) == [Act.RELEASE]
    assert meaning(bench.hold(4)) == [Act.FORGET]
    assert meaning(bench.hold(0.2)) == [Act.BACK_UP]
    bench.wait(GRAVE_EVERY_SECONDS)
    assert meaning(bench.hold(4)) == [Act.RELEASE]


@pytest.mark.parametrize(
    ("seconds", "act"),
    [
        (0.2, Act.FORGET),
        (4.0, Act.FORGET),
        (4.9, Act.FORGET),
        (5.1, Act.CONFIRM),
        (9.9, Act.CONFIRM),
        (10.1, Act.FORGET),
    ],
)
def test_while_the_page_asks_only_a_long_hold_means_anything(seconds, act):
    assert meaning(Bench(question="Erase the SanDisk?").hold(seconds)) == [act]


def test_a_hold_confirms_only_the_question_that_stood_there_all_the_time():
    for before, after in (("", "Erase?"), ("Erase A?", "Erase B?"), ("Erase A?", "")):
        bench = Bench(question=before)
        bench.press()
        bench.wait(2)
        bench.question = after
        bench.wait(4)
        bench.release()
        bench.wait(1)
        assert meaning(bench.acts) == [Act.FORGET]


def test_confirming_and_letting_go_share_their_minute():
    bench = Bench()
    assert meaning(bench.hold(4)) == [Act.RELEASE]
    bench.question = "Erase?"
    assert meaning(bench.hold(6)) == [Act.FORGET]


def test_an_edge_that_was_missed_is_made_good_and_never_lengthens_a_hold():
    bench = Bench()
    bench.press()
    bench.wait(0.2)
    bench.now = bench.gestures.due_at()
    bench._did(bench.gestures.matched(bench.now, is_down=False))
    bench.wait(1)
    assert meaning(bench.acts) == [Act.FORGET]
    assert bench.gestures.due_at() == inf
    bench._did(bench.gestures.matched(bench.now, is_down=True))
    assert bench.gestures.is_down


_EDGES = st.lists(
    st.tuples(st.booleans(), st.floats(min_value=0, max_value=15, allow_nan=False)), max_size=60
)


@given(_EDGES)
def test_D16_no_sequence_of_edges_releases_twice_a_minute_or_without_a_hold(edges):
    bench, grave = Bench(), []
    pressed_at = None
    for down, seconds in edges:
        before = len(bench.acts)
        if down:
            bench.press()
            pressed_at = bench.now if pressed_at is None else pressed_at
        else:
            bench.release()
        bench.wait(seconds)
        if Act.RELEASE in bench.acts[before:]:
            grave.append(bench.now)
            assert pressed_at is not None
            assert bench.now - pressed_at >= 3
        if not down and seconds > 0.05:
            pressed_at = None
    bench.release()
    bench.wait(1)
    assert bench.gestures.due_at() == inf
    assert bench.acts.count(Act.RELEASE) <= 1 + (bench.now - START) / GRAVE_EVERY_SECONDS

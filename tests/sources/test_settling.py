"""When a file is whole, and that it is told once: by table, without files and without waiting."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.sources.settling import Mark, Settling

STABLE = 2.0
FILE = Mark(inode=7, size_bytes=100, modified_ns=1, changed_ns=1)


def settling(written: set[bytes] | None = None) -> Settling:
    return Settling(STABLE, lambda raw, _still: raw in (written or ()))


def test_a_file_is_news_when_it_has_held_still_for_long_enough_and_only_once():
    folder = settling()
    assert not folder.look({b"a": FILE}, 10)
    assert folder.soonest == 12
    assert not folder.look({b"a": FILE}, 11.9)
    assert folder.look({b"a": FILE}, 12)
    folder.told()
    assert not folder.look({b"a": FILE}, 13)
    assert folder.soonest is None


def test_news_that_was_not_passed_on_stays_news():
    folder = settling()
    folder.look({b"a": FILE}, 0)
    assert folder.look({b"a": FILE}, 2)
    assert folder.look({b"a": FILE}, 3)


@pytest.mark.parametrize("what", ["size_bytes", "modified_ns", "changed_ns", "inode"])
def test_whatever_changes_makes_it_wait_anew(what):
    folder = settling()
    folder.look({b"a": FILE}, 0)
    grown = replace(FILE, **{what: 500})
    assert not folder.look({b"a": grown}, 1.9)
    assert not folder.look({b"a": grown}, 3.8)
    assert folder.look({b"a": grown}, 3.9)


@pytest.mark.parametrize(
    ("what", "again"),
    [("size_bytes", True), ("modified_ns", True), ("inode", True), ("changed_ns", False)],
)
def test_what_was_told_is_news_again_only_where_its_content_may_be_another(what, again):
    folder = settling()
    folder.look({b"a": FILE}, 0)
    folder.look({b"a": FILE}, 2)
    folder.told()
    other = replace(FILE, **{what: 500})
    assert not folder.look({b"a": other}, 10)
    assert folder.look({b"a": other}, 12) is again


def test_a_file_that_came_back_under_its_name_is_news():
    folder = settling()
    folder.look({b"a": FILE}, 0)
    folder.look({b"a": FILE}, 2)
    folder.told()
    folder.look({}, 3)
    folder.look({b"a": FILE}, 4)
    assert folder.look({b"a": FILE}, 6)


def test_one_that_is_held_open_waits_without_a_timer_and_holds_up_no_other():
    written = {b"open"}
    folder = settling(written)
    folder.look({b"open": FILE, b"shut": FILE}, 0)
    assert folder.look({b"open": FILE, b"shut": FILE}, 2)
    folder.told()
    assert not folder.look({b"open": FILE, b"shut": FILE}, 60)
    assert folder.soonest is None
    written.clear()
    assert folder.look({b"open": FILE, b"shut": FILE}, 61)


LOOKS = st.lists(
    st.tuples(st.floats(0.1, 5), st.dictionaries(st.sampled_from([b"a", b"b"]), st.integers(1, 3))),
    max_size=30,
)


@given(LOOKS)
def test_nothing_that_changed_lately_is_ever_news_and_every_content_is_told_at_most_once(looks):
    folder, now = settling(), 0.0
    history: dict[bytes, list[tuple[float, int]]] = {b"a": [], b"b": []}
    told: dict[bytes, int] = {}
    for pause, sizes in looks:
        now += pause
        for raw in (b"a", b"b"):
            history[raw] = [*history[raw], (now, sizes[raw])] if raw in sizes else []
            if raw not in sizes or told.get(raw) != sizes[raw]:
                told.pop(raw, None)
        news = folder.look({raw: replace(FILE, size_bytes=n) for raw, n in sizes.items()}, now)
        still = {raw for raw in sizes if still_for(history[raw]) >= STABLE and raw not in told}
        assert news is bool(still)
        if news:
            folder.told()
            told |= {raw: sizes[raw] for raw in still}


def still_for(history: list[tuple[float, int]]) -> float:
    end, size = history[-1]
    since = end
    for moment, was in reversed(history):
        if was != size:
            break
        since = moment
    return end - since

"""What a mirror decides without doing anything: what may leave, and what a push was made of."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.errors import MirrorRefused
from appliance.mirrors.expiry import plan_removal
from appliance.mirrors.segments import holds_only_a_lock
from appliance.mirrors.whole import Whole, numbers_up_to

NOW = datetime(2026, 11, 21, tzinfo=UTC)
AGE = timedelta(days=90)
LONG_AGO = NOW - timedelta(days=91)
NUMBERS = st.sets(st.integers(0, 3000), min_size=1)


def _names(numbers: set[int]) -> frozenset[str]:
    return frozenset(f"{number // 1000}/{number}" for number in numbers)


@given(NUMBERS, st.integers(0, 3000))
def test_the_list_of_a_push_reads_back_as_it_was(numbers: set[int], last: int) -> None:
    whole = Whole(last, numbers_up_to(last, _names(numbers)))
    assert Whole.from_text(last, whole.as_text()) == whole
    assert {int(name.split("/")[1]) for name in whole.segments} == {n for n in numbers if n <= last}


def test_a_list_of_ten_thousand_segments_is_a_few_lines() -> None:
    names = _names(set(range(10_000)))
    assert len(Whole(9_999, numbers_up_to(9_999, names)).as_text()) < 300


@pytest.mark.parametrize("text", ["../1-2", "0/1-0", "0/0-999999999", "0/1", "x\n", "0/1-2 "])
def test_a_list_that_is_not_ours_is_refused(text: str) -> None:
    with pytest.raises(MirrorRefused):
        Whole.from_text(1, text)


@given(NUMBERS, NUMBERS, st.dictionaries(st.integers(0, 3000), st.integers(0, 200)))
def test_B2_whatever_is_missing_the_guards_hold(
    there: set[int], here: set[int], days: dict[int, int]
) -> None:
    since = {f"{n // 1000}/{n}": NOW - timedelta(days=age) for n, age in days.items()}
    try:
        plan = plan_removal(_names(there), _names(here), AGE, NOW, since)
    except MirrorRefused:
        assert max(there - here) > max(here)
        return
    assert len(plan.removed) <= len(there) / 5
    for name in plan.removed:
        number = int(name.split("/")[1])
        assert number in there - here
        assert number < max(here)
        assert days[number] > 90
    assert set(plan.removed) | set(plan.missing) == _names(there - here)


def test_B2_an_emptied_disk_removes_nothing() -> None:
    with pytest.raises(MirrorRefused):
        plan_removal({"0/1"}, set(), AGE, NOW, {"0/1": LONG_AGO})


def test_B2_a_disk_set_back_removes_nothing() -> None:
    there = _names(set(range(100)))
    with pytest.raises(MirrorRefused, match="newer"):
        plan_removal(there, _names({1, 2, 3}), AGE, NOW, dict.fromkeys(there, LONG_AGO))


def test_what_came_back_is_no_longer_missing() -> None:
    there = _names({1, 2, 3, 9})
    plan = plan_removal(there, _names({1, 2, 9}), AGE, NOW, {"0/1": LONG_AGO, "0/3": NOW})
    assert plan.missing == {"0/3": NOW}
    assert plan.removed == ()


def _entry(tag: int, key: bytes = b"", data: bytes = b"") -> bytes:
    return struct.pack("<IIB", 0, 9 + len(key) + len(data), tag) + key + data


MANIFEST = bytes(32)


@pytest.mark.parametrize(
    ("content", "only_a_lock"),
    [
        (b"BORG_SEG" + _entry(2), True),
        (b"BORG_SEG" + _entry(1, MANIFEST), True),
        (b"BORG_SEG" + _entry(0, MANIFEST, b"x" * 500) + _entry(2), True),
        (b"BORG_SEG" + _entry(0, b"k" * 32, b"x"), False),
        (b"BORG_SEG" + _entry(0, MANIFEST, b"x") + _entry(1, b"k" * 32), False),
        (b"BORG_SEG" + _entry(3, MANIFEST), False),
        (b"BORG_SEG" + _entry(2)[:5], False),
        (b"", False),
        (b"encrypted by somebody else", False),
    ],
)
def test_a_segment_of_a_lock_is_told_from_one_with_news(
    tmp_path: Path, content: bytes, only_a_lock: bool
) -> None:
    (tmp_path / "7").write_bytes(content)
    assert holds_only_a_lock(tmp_path / "7") is only_a_lock

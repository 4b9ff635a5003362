"""Which files are an export, and when they are believed to be finished."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import Event

import pytest

from appliance.core.errors import Cancelled, ExportNotReady
from appliance.core.model import SeenFile
from appliance.core.ports import Watch
from appliance.sources.picking import (
    Entry,
    instant,
    is_candidate,
    newest_of,
    unseen,
    wait_until_still,
)

STABLE = timedelta(minutes=2)


def entry(name: str, size: int = 1, modified: float = 0) -> Entry:
    return Entry(name, name.encode(), size, instant(modified))


class Time(Event):
    """A clock and an event in one: waiting moves the clock, nobody waits."""

    now = 0.0

    def __call__(self) -> float:
        return self.now

    def wait(self, timeout=None):
        assert timeout > 0
        self.now += timeout
        return self.is_set()


def still(look, *, old=False, time=None, **options):
    time = time or Time()
    watch = Watch(cancel=time)
    found = wait_until_still(look, lambda _entry: old, STABLE, watch, clock=time, **options)
    return found, time.now


def test_C3_a_young_file_is_watched_for_the_whole_time_and_an_old_one_for_a_glance():
    assert still(lambda: (entry("a"),)) == ((entry("a"),), 120)
    assert still(lambda: (entry("a"),), old=True) == ((entry("a"),), 2)
    assert still(lambda: ()) == ((), 0)


def test_C3_each_change_starts_the_time_anew():
    time = Time()

    def look():
        return (entry("a", size=1 if time.now < 100 else 2),)

    found, now = still(look, time=time)
    assert found == (entry("a", size=2),)
    assert 220 <= now <= 230


def test_C3_a_stalled_upload_that_goes_on_is_not_taken():
    time = Time()

    def look():  # it moves a little every 110 s
        return (entry("a", size=int(time.now // 110)),)

    with pytest.raises(ExportNotReady):
        still(look, time=time)
    assert 600 <= time.now <= 620


def test_C3_a_newer_export_that_appears_is_watched_too():
    time = Time()

    def look():
        return (entry("old" if time.now < 60 else "new"),)

    found, now = still(look, time=time)
    assert found == (entry("new"),)
    assert now >= 180


def test_what_still_grows_is_left_behind_where_some_will_do():
    time = Time()

    def look():
        return entry("still"), entry("growing", size=int(time.now))

    found, now = still(look, time=time, some_will_do=True)
    assert found == (entry("still"),)
    assert now <= 140


def test_waiting_can_be_cancelled():
    time = Time()
    time.set()
    with pytest.raises(Cancelled):
        still(lambda: (entry("a"),), time=time)


@pytest.mark.parametrize(
    ("name", "pick", "taken"),
    [
        ("a.csv", ["*"], True),
        ("A.CSV", ["*.csv"], True),
        ("a.csv", ["*.zip", "a.*"], True),
        ("a.csv", ["*.zip"], False),
        ("a.csv", [], False),
        (".a.csv", ["*", ".*"], False),
        ("a.csv.part", ["*"], False),
        ("a.FILEPART", ["*"], False),
        ("a.tmp", ["a.tmp"], False),
        ("part.csv", ["*"], True),
        ("[x].csv", ["[[]x].csv"], True),
    ],
)
def test_C3_names_of_unfinished_and_hidden_files_are_never_taken(name, pick, taken):
    assert is_candidate(name, pick) is taken


def test_the_newest_are_chosen_by_time_then_by_name():
    entries = [entry("b", modified=5), entry("a", modified=5), entry("c", modified=9)]
    assert [e.name for e in newest_of(entries, 1)] == ["c"]
    assert [e.name for e in newest_of(entries, 2)] == ["b", "c"]
    assert [e.name for e in newest_of(entries, 0)] == ["a", "b", "c"]
    assert newest_of([], 1) == ()


def test_seen_means_the_same_name_size_and_time():
    seen = (SeenFile("a", 1, "hash", datetime.fromtimestamp(7, UTC)),)
    entries = (entry("a", 1, 7), entry("a", 2, 7), entry("a", 1, 8), entry("b", 1, 7))
    assert unseen(entries, seen) == entries[1:]


def test_times_beyond_the_calendar_are_its_ends():
    assert instant(2**63) == datetime.max.replace(tzinfo=UTC)
    assert instant(-(2**63)) == datetime.min.replace(tzinfo=UTC)
    assert instant(1_700_000_000) == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)

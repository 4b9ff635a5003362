"""What may go: A10, A11, A12 and D6, and Borg's own prune as the judge of the plain rules."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.core.errors import ClockNotTrusted
from appliance.core.model import Archive
from appliance.core.retention import Policy, clock_is_trusted, doomed, explain

UTC_ZONE = ZoneInfo("UTC")
BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LOST = ("date not trusted",)
SMALL = Policy(last=3, daily=7, weekly=4, monthly=6, yearly=2)


def archive(
    sequence: int, time: datetime, source: str = "crm", *, trusted: bool = True, held: bool = False
) -> Archive:
    name = Archive.name_for(source, time)
    return Archive(name, source, time, sequence, "0" * 64, clock_trusted=trusted, held=held)


def nightly(days: int, first: int = 1, source: str = "crm") -> list[Archive]:
    """One archive each night at 03:00 UTC, the last one this morning."""
    start = NOW.replace(hour=3) - timedelta(days=days - 1)
    return [archive(first + n, start + timedelta(days=n), source) for n in range(days)]


def names(archives: object) -> set[str]:
    return {one.name for one in archives}


def gone_in_the_end(archives: list[Archive], policy: Policy, zone: ZoneInfo) -> set[str]:
    """What has gone once nothing more may go."""
    left, everything = list(archives), names(archives)
    while going := doomed(left, policy, zone, everything, NOW):
        left = [one for one in left if one not in going]
    return everything - names(left)


def test_at_most_a_fifth_goes_at_once_and_the_rest_later() -> None:
    archives = nightly(100)
    first = doomed(archives, SMALL, UTC_ZONE, names(archives), NOW)
    assert len(first) == 20
    assert list(first) == sorted(first, key=lambda one: one.sequence)
    assert len(gone_in_the_end(archives, SMALL, UTC_ZONE)) > 70


def test_at_least_one_goes_where_there_are_few() -> None:
    archives = nightly(3)
    assert len(doomed(archives, Policy(1, 0, 0, 0, 0), UTC_ZONE, names(archives), NOW)) == 1


def test_within_its_counts_nothing_goes() -> None:
    archives = nightly(7)
    assert doomed(archives, Policy(), BERLIN, names(archives), NOW) == ()


def test_an_empty_policy_is_refused() -> None:
    with pytest.raises(ValueError, match="keep something"):
        Policy(0, 0, 0, 0, 0)
    with pytest.raises(ValueError, match="negative"):
        Policy(last=-1)
    with pytest.raises(ValueError, match="before it begins"):
        Policy(at_most=timedelta())


def test_A12_two_sources_at_once_are_refused() -> None:
    mixed = [*nightly(9), *nightly(9, source="site")]
    with pytest.raises(ValueError, match="one source"):
        doomed(mixed, SMALL, UTC_ZONE, names(mixed), NOW)
    with pytest.raises(ValueError, match="one source"):
        explain(mixed, SMALL, UTC_ZONE, NOW)


def test_nothing_newer_than_the_newest_proved_one_goes_and_neither_does_that() -> None:
    archives = nightly(100)
    only = Policy(1, 0, 0, 0, 0)
    assert doomed(archives, only, UTC_ZONE, (), NOW) == ()
    assert doomed(archives, only, UTC_ZONE, {archives[0].name}, NOW) == ()
    going = doomed(archives, only, UTC_ZONE, {archives[5].name}, NOW)
    assert names(going) == names(archives[:5])


def test_held_archives_are_never_counted_and_never_go() -> None:
    archives = nightly(20)
    held = [archive(100 + n, NOW - timedelta(minutes=n + 1), held=True) for n in range(5)]
    only = Policy(3, 0, 0, 0, 0)
    everything = [*archives, *held]
    assert gone_in_the_end(everything, only, UTC_ZONE) == gone_in_the_end(archives, only, UTC_ZONE)
    assert not gone_in_the_end(everything, only, UTC_ZONE) & names(held)
    # a held archive that was proved proves no good one
    assert doomed(everything, only, UTC_ZONE, names(held), NOW) == ()


@pytest.mark.parametrize(
    ("clock", "synchronised", "second_opinion", "trusted"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), True, None, False),
        (NOW - timedelta(days=365), True, NOW - timedelta(days=365), False),
        (NOW + timedelta(days=365), True, None, False),
        (NOW + timedelta(days=365), True, NOW, False),
        (NOW + timedelta(days=3652), True, NOW, False),
        (NOW + timedelta(days=365), True, NOW + timedelta(days=365, minutes=9), True),
        (NOW + timedelta(days=365), True, NOW + timedelta(days=365, minutes=11), False),
        (NOW + timedelta(days=365), False, NOW + timedelta(days=365), False),
        (NOW, False, NOW, False),
        (NOW, True, None, True),
        (NOW - timedelta(hours=2), True, None, True),  # a DST error, still behind nothing
        (NOW.replace(hour=3) - timedelta(hours=2), True, None, False),  # behind the newest
        (NOW + timedelta(days=31), True, None, True),  # between two monthly backups
        (NOW + timedelta(days=59), True, None, True),
        (NOW + timedelta(days=61), True, None, False),
    ],
)
def test_A10_D6_a_clock_is_trusted_only_with_reason(
    clock: datetime, synchronised: bool, second_opinion: datetime | None, trusted: bool
) -> None:
    newest = nightly(40)[-1].time
    assert clock_is_trusted(clock, synchronised, newest, second_opinion) is trusted


def test_A10_the_first_backup_ever_needs_no_second_opinion() -> None:
    assert clock_is_trusted(NOW, True, None, None)
    assert not clock_is_trusted(NOW, False, None, None)


@pytest.mark.parametrize(
    "wrong",
    [
        datetime(1970, 1, 1, 1, tzinfo=UTC),
        NOW - timedelta(days=365),
        nightly(40)[-1].time - timedelta(hours=2),
        nightly(40)[-1].time - timedelta(seconds=1),
    ],
)
def test_A10_where_an_archive_lies_in_the_future_of_now_nothing_goes(wrong: datetime) -> None:
    archives = nightly(40)
    with pytest.raises(ClockNotTrusted):
        doomed(archives, Policy(1, 0, 0, 0, 0), UTC_ZONE, names(archives), wrong)


@pytest.mark.parametrize("ahead", [timedelta(days=365), timedelta(days=3652), timedelta(hours=2)])
def test_A10_a_clock_ahead_changes_nothing_because_now_counts_nothing(ahead: timedelta) -> None:
    """Even where the guard before this one failed: the rules count archives, not days from now."""
    archives = nightly(400)
    now_and_then = [
        doomed(archives, Policy(), BERLIN, names(archives), now) for now in (NOW, NOW + ahead)
    ]
    assert now_and_then[0] == now_and_then[1]


@pytest.mark.parametrize("flagged", [True, False])
def test_A11_eight_future_and_one_past_archive_leave_the_retention_set_unchanged(
    flagged: bool,
) -> None:
    archives = nightly(60)
    future = [archive(61 + n, NOW + timedelta(days=400 + n), trusted=False) for n in range(8)]
    past = [archive(69, NOW - timedelta(days=900), trusted=not flagged)]
    injected = [*archives, *future, *past]
    before = doomed(archives, SMALL, BERLIN, names(archives), NOW)
    assert doomed(injected, SMALL, BERLIN, names(injected), NOW) == before
    assert gone_in_the_end(injected, SMALL, BERLIN) == gone_in_the_end(archives, SMALL, BERLIN)
    clean, mixed = (explain(some, SMALL, BERLIN, NOW) for some in (archives, injected))
    assert {name: mixed[name] for name in clean} == dict(clean)


def test_A11_future_archives_that_claim_a_trusted_clock_stop_everything() -> None:
    archives = [*nightly(60), archive(61, NOW + timedelta(days=400))]
    with pytest.raises(ClockNotTrusted):
        doomed(archives, SMALL, BERLIN, names(archives), NOW)


def test_A11_a_wrong_date_that_has_come_to_pass_still_counts_for_nothing() -> None:
    """One archive was dated three weeks ahead, trusted; then life went on with right dates."""
    right = nightly(60)
    wrong = archive(1000, NOW - timedelta(days=9), trusted=True)
    renumbered = [
        archive(one.sequence if one.sequence < 30 else one.sequence + 1, one.time) for one in right
    ]
    injected = [*renumbered, archive(30, wrong.time + timedelta(minutes=1))]
    assert gone_in_the_end(injected, SMALL, BERLIN) - {injected[-1].name} == gone_in_the_end(
        right, SMALL, BERLIN
    )


def test_archives_without_a_trusted_date_stay_until_trusted_ones_surround_them() -> None:
    only = Policy(last=2)
    lost = [archive(10 + n, datetime(1970, 1, 1, n + 1, tzinfo=UTC), trusted=False) for n in (0, 1)]
    before = [archive(n, NOW - timedelta(days=20 - n)) for n in range(1, 4)]
    after = [archive(20 + n, NOW - timedelta(days=9 - n)) for n in range(4)]
    for some in (lost, [*before, *lost], [*lost, *after], [*before, *lost, after[0]]):
        assert not gone_in_the_end(some, only, BERLIN) & names(lost)
        assert all(explain(some, only, BERLIN, NOW)[one.name] for one in lost)
    surrounded = [*before, *lost, *after]
    assert gone_in_the_end(surrounded, only, BERLIN) >= names(lost)


def test_half_a_year_without_a_trusted_clock_is_not_swept_away() -> None:
    lost = [
        archive(10 + n, datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=n), trusted=False)
        for n in range(180)
    ]
    before = [archive(n, NOW - timedelta(days=220 - n)) for n in range(1, 9)]
    after = [archive(500 + n, NOW - timedelta(days=9 - n)) for n in range(9)]
    everything = [*before, *lost, *after]
    assert not gone_in_the_end(everything, SMALL, BERLIN) & names(lost)


def test_each_archive_says_why_it_stays() -> None:
    archives = nightly(12)
    why = explain(archives, Policy(last=2, daily=3, weekly=1, monthly=0, yearly=0), UTC_ZONE, NOW)
    assert why[archives[-1].name] == ("last number 12",)
    assert why[archives[-3].name] == ("daily 2026-11-19",)
    # 21 November 2026 is the Saturday of week 47, whose newest is kept already: Sunday the 15th
    assert why[archives[-7].name] == ("weekly 2026-W46",)
    assert why[archives[-6].name] == ()


def test_a_day_is_the_offices_day() -> None:
    """23:30 UTC is the next day in Berlin: two archives of one UTC day are two days' there."""
    early = archive(1, datetime(2026, 11, 10, 22, 30, tzinfo=UTC))
    late = archive(2, datetime(2026, 11, 10, 23, 30, tzinfo=UTC))
    policy = Policy(last=0, daily=5, weekly=0, monthly=0, yearly=0)
    newest = archive(3, datetime(2026, 11, 12, 23, 30, tzinfo=UTC))
    oldest = archive(0, datetime(2026, 11, 9, 12, 30, tzinfo=UTC))
    some = [oldest, early, late, newest]
    assert doomed(some, policy, BERLIN, names(some), NOW) == ()
    assert doomed(some, policy, UTC_ZONE, names(some), NOW) == (early,)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_A12_the_newest_good_ones_of_each_source_always_survive(data: st.DataObject) -> None:
    hours = st.integers(1, 24 * 900)
    counts = [data.draw(st.integers(0, 8)) for _ in range(5)]
    policy = Policy(*counts) if any(counts) else Policy()
    for source in ("crm", "site"):
        facts = data.draw(
            st.lists(
                st.tuples(hours, st.booleans(), st.integers(0, 9)),
                max_size=60,
                unique_by=lambda f: f[0],
            )
        )
        some = [
            archive(
                n, NOW - timedelta(hours=ago), source, trusted=rare > 1, held=rare == 9 and held
            )
            for n, (ago, held, rare) in enumerate(facts, 1)
        ]
        proved = {one.name for one in some if data.draw(st.booleans())}
        going = doomed(some, policy, BERLIN, proved, NOW)
        good = [one for one in some if not one.held]
        assert not names(going) & names([one for one in some if one.held])
        assert not names(going) & names(good[len(good) - policy.last :] if policy.last else [])
        proved_good = [one for one in good if one.name in proved]
        assert not going or proved_good
        for one in going:
            assert one.sequence < proved_good[-1].sequence
        assert len(going) <= max(1, len(some) // 5)


def test_three_years_of_nights_keep_what_the_rules_say_and_no_more() -> None:
    """Pruned after every backup, as the box does it, across six clock changes."""
    kept: list[Archive] = []
    start = NOW - timedelta(days=3 * 365)
    for night in range(3 * 365):
        now = start + timedelta(days=night)
        kept.append(archive(night + 1, now - timedelta(minutes=5)))
        going = doomed(kept, Policy(), BERLIN, names(kept), now)
        kept = [one for one in kept if one not in going]
    assert len(kept) <= 7 + 30 + 12 + 24 + 7
    dates = [one.time.astimezone(BERLIN).date() for one in kept]
    assert {(day.year, day.month) for day in dates} >= {(2025, n) for n in range(3, 13)}
    # the newest 7, then 30 more days, are there without a gap
    newest = [one.sequence for one in kept][-37:]
    assert newest == list(range(3 * 365 - 36, 3 * 365 + 1))


@settings(max_examples=200, deadline=None)
@given(days=st.lists(st.integers(1, 40), max_size=12, unique=True))
def test_the_dates_that_count_are_the_largest_set_that_agrees(days: list[int]) -> None:
    some = [archive(n, NOW - timedelta(days=50 - day)) for n, day in enumerate(days, 1)]
    counted = [one for one in some if explain(some, Policy(99), BERLIN, NOW)[one.name] != LOST]
    longest = [1] * len(days)
    for n, day in enumerate(days):
        longest[n] += max((longest[m] for m in range(n) if days[m] < day), default=0)
    assert len(counted) == max(longest, default=0)
    assert [one.time for one in counted] == sorted(one.time for one in counted)


def with_an_end(days: float) -> Policy:
    return Policy(last=9, daily=99, weekly=99, monthly=99, yearly=9, at_most=timedelta(days=days))


def test_what_is_past_the_end_goes_at_once_whatever_the_counts_say() -> None:
    archives = nightly(100)
    going = doomed(archives, with_an_end(10), UTC_ZONE, names(archives), NOW)
    assert names(going) == names(archives[:-10])
    assert list(going) == sorted(going, key=lambda one: one.sequence)
    assert doomed(archives, with_an_end(100), UTC_ZONE, names(archives), NOW) == ()


def test_what_the_counts_let_go_is_still_a_fifth_at_most_where_there_is_an_end() -> None:
    archives = nightly(100)
    policy = Policy(1, 0, 0, 0, 0, at_most=timedelta(days=95))
    assert names(doomed(archives, policy, UTC_ZONE, names(archives), NOW)) == names(archives[:20])


def test_past_the_end_the_newest_proved_one_stays_and_all_that_came_after_it() -> None:
    archives = nightly(30)
    long_after = NOW + timedelta(days=3000)
    proved = {archives[20].name, archives[3].name}
    going = doomed(archives, with_an_end(10), UTC_ZONE, proved, long_after)
    assert names(going) == names(archives[:20])
    assert doomed(archives, with_an_end(10), UTC_ZONE, (), long_after) == ()


def test_a_held_one_past_the_end_goes_once_a_newer_good_one_is_proved() -> None:
    held = archive(5, NOW - timedelta(days=50), held=True)
    newest_held = archive(99, NOW - timedelta(days=20), held=True)
    good = [archive(1, NOW - timedelta(days=60)), archive(9, NOW - timedelta(days=30))]
    some = [held, newest_held, *good]
    assert doomed(some, with_an_end(10), UTC_ZONE, names(some), NOW) == (good[0], held)
    assert doomed(some, Policy(), UTC_ZONE, names(some), NOW) == ()
    why = explain(some, with_an_end(10), UTC_ZONE, NOW)
    assert [why[one.name] for one in (good[0], held)] == [(), ()]
    assert why[newest_held.name] == ("held",)
    assert why[good[1].name]


def test_without_a_date_that_counts_one_is_as_old_as_what_came_after_it() -> None:
    lost = archive(5, datetime(1970, 1, 1, tzinfo=UTC), trusted=False)
    before, newest = archive(4, NOW - timedelta(days=40)), archive(9, NOW)
    young, old = (archive(6, NOW - timedelta(days=days)) for days in (9, 11))
    for after, goes in ((young, False), (old, True)):
        some = [before, lost, after, newest]
        going = doomed(some, with_an_end(10), UTC_ZONE, names(some), NOW)
        assert (lost in going) is goes, after
        assert before in going


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_nothing_past_the_end_is_left_but_what_safety_wants(data: st.DataObject) -> None:
    end = data.draw(st.integers(1, 400))
    counts = [data.draw(st.integers(0, 40)) for _ in range(5)]
    policy = Policy(*(counts if any(counts) else [1]), at_most=timedelta(days=end))
    facts = data.draw(
        st.lists(
            st.tuples(st.integers(1, 24 * 500), st.integers(0, 9), st.booleans()),
            max_size=60,
            unique_by=lambda fact: fact[0],
        )
    )
    some = [
        archive(n, NOW - timedelta(hours=ago), trusted=rare > 1, held=rare == 9)
        for n, (ago, rare, _) in enumerate(sorted(facts, reverse=True), 1)
    ]
    proved = {one.name for one, (_, _, is_proved) in zip(some, facts, strict=True) if is_proved}
    going = doomed(some, policy, BERLIN, proved, NOW)
    good = [one for one in some if not one.held and one.name in proved]
    newest = good[-1].sequence if good else 0
    why = explain(some, policy, BERLIN, NOW)
    over = {one.sequence for one in some if one.clock_trusted and NOW - one.time > policy.at_most}
    for one in some:
        is_over = one.sequence <= max(over, default=0)
        if one.sequence >= newest:
            assert one not in going, "the newest proved one, and what came after it, stay"
        elif is_over:
            assert one in going
            assert why[one.name] == ()
        elif one in going:
            assert not one.held
            assert why[one.name] == (), "what goes is what nothing wants"


@pytest.mark.parametrize("every", [1, 3])
def test_years_with_an_end_are_never_longer_than_it(every: int) -> None:
    kept: list[Archive] = []
    policy = with_an_end(90)
    for night in range(0, 800, every):
        now = NOW + timedelta(days=night)
        kept.append(archive(night + 1, now - timedelta(minutes=5)))
        if night % 7 < every:
            going = doomed(kept, policy, BERLIN, names(kept), now)
            kept = [one for one in kept if one not in going]
            assert now - kept[0].time <= timedelta(days=90)
    assert len(kept) > 80 // every


def borg(repo: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {
        "BORG_BASE_DIR": str(repo.parent / "borg-home"),
        "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
        "TZ": "UTC",
    }
    program = Path(sys.executable).parent / "borg"
    return subprocess.run(
        [program, *argv], env=env, check=True, capture_output=True, text=True, cwd=repo.parent
    )


@pytest.mark.slow
def test_the_rules_count_as_borg_prune_counts(tmp_path: Path) -> None:
    """16 archives over two years; Borg, the judge, says which it would keep, for three policies."""
    repo, thing = tmp_path / "repo", tmp_path / "thing"
    thing.write_text("x")
    borg(repo, "init", "--encryption", "none", str(repo))
    dice = random.Random(7)
    ages = sorted({dice.choice([2, 8, 40, 200, 700]) * dice.random() for _ in range(16)})[::-1]
    archives = [
        archive(n, (NOW - timedelta(days=days)).replace(microsecond=0))
        for n, days in enumerate(ages, 1)
    ]
    for one in archives:
        borg(
            repo,
            "create",
            "--timestamp",
            f"{one.time:%Y-%m-%dT%H:%M:%S}",
            f"{repo}::{one.name}",
            "thing",
        )
    for policy in (SMALL, Policy(2, 3, 2, 2, 1), Policy(1, 0, 0, 5, 9)):
        counts = {"last": policy.last, "daily": policy.daily, "weekly": policy.weekly}
        counts |= {"monthly": policy.monthly, "yearly": policy.yearly}
        keep = [f"--keep-{rule}={count}" for rule, count in counts.items()]
        listed = borg(repo, "--log-json", "prune", "--dry-run", "--list", *keep, str(repo)).stderr
        messages = [json.loads(line)["message"] for line in listed.splitlines()]
        by_borg = {
            one.name
            for one in archives
            for message in messages
            if message.startswith("Keeping") and one.name in message
        }
        ours = {name for name, why in explain(archives, policy, UTC_ZONE, NOW).items() if why}
        assert by_borg
        assert ours == by_borg

"""How things stand: never green by silence."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.core.evidence import Expectation
from appliance.core.health import Health, State, assess
from appliance.core.model import Copy, Outcome, Run, Trigger
from appliance.core.schedule import parse
from appliance.core.signals import Reason
from appliance.status import as_json

BERLIN = ZoneInfo("Europe/Berlin")
DUE = datetime(2026, 11, 21, 2, tzinfo=UTC)  # 03:00 in Berlin
NOW = DUE + timedelta(hours=6, minutes=5)
DAY = timedelta(days=1)
CRM = Expectation(
    "crm", parse("daily at 03:00"), BERLIN, timedelta(hours=6), ("disk-a",), ("cloud",)
)
LOCAL = replace(CRM, mirrors=())


def copy(
    time: datetime,
    place: str = "disk-a",
    source: str = "crm",
    name: str = "",
    looked: datetime | None = None,
) -> Copy:
    """A copy, proved when it was made and, if so, last `looked` at."""
    return Copy(name or f"{source}-{time.isoformat()}", source, place, time, looked or time)


def run(
    number: int, started: datetime, outcome: Outcome | None, archive: str = "", **words: str
) -> Run:
    return Run(number, "crm", Trigger.SCHEDULE, started, started, outcome, archive, **words)


def stand(
    copies: Sequence[Copy],
    runs: Sequence[Run] = (),
    now: datetime = NOW,
    expected: Expectation = CRM,
    **more: object,
) -> Health:
    return assess([expected], copies, runs, now, **more)


BOTH = [copy(DUE), copy(DUE, "cloud")]


def test_proved_here_and_in_the_cloud_is_safe() -> None:
    health = stand(BOTH, [run(1, DUE, Outcome.OK)])
    assert health.state is State.SAFE
    assert health.sentence == "Safe. Last good copy 6 hours ago, here and in the cloud."
    assert health.todo == ""
    (source,) = health.sources
    assert source.here_age == source.cloud_age == NOW - DUE
    assert source.next_due == DUE + DAY


def test_the_last_job_ended_well_but_nothing_was_proved_is_not_safe() -> None:
    assert stand([], [run(1, DUE, Outcome.OK)]).state is State.LOOK


def test_without_any_copy_somebody_must_look() -> None:
    health = stand([])
    assert health.state is State.LOOK
    assert health.sentence == "Look. There is no good copy yet."
    assert health.todo


def test_without_any_source_somebody_must_look() -> None:
    assert assess([], [], [], NOW).state is State.LOOK


@pytest.mark.parametrize(
    ("hours_after_due", "state"),
    [(0.1, State.SAFE), (5.9, State.SAFE), (6.1, State.GETTING_OLD), (500, State.GETTING_OLD)],
)
def test_a_missed_backup_gets_old_after_its_grace(hours_after_due: float, state: State) -> None:
    yesterday = DUE - DAY
    now = DUE + timedelta(hours=hours_after_due)
    health = stand([copy(yesterday)], [run(1, yesterday, Outcome.OK)], now, LOCAL)
    assert health.state is state


def test_silence_alone_turns_green_off() -> None:
    """Nothing ran, nothing failed, nobody said anything: a day later it is getting old."""
    assert stand(BOTH, now=NOW).state is State.SAFE
    later = stand(BOTH, now=NOW + 2 * DAY)
    assert later.state is State.GETTING_OLD
    assert later.sentence == (
        "Getting old. The last good copy is 2 days ago; a newer one should be there."
    )


def test_an_unchanged_export_counts_as_fresh_where_its_archive_was_proved() -> None:
    old = [copy(DUE - 3 * DAY, place, name="crm-old", looked=NOW) for place in ("disk-a", "cloud")]
    skipped = [run(1, DUE, Outcome.SKIPPED, "crm-old")]
    assert stand(old, skipped).state is State.SAFE
    assert stand(old, skipped).sources[0].here == DUE
    unproved = [run(1, DUE, Outcome.SKIPPED, "crm-never-proved")]
    assert stand(old, unproved).state is State.GETTING_OLD
    assert stand(old, [run(1, DUE, Outcome.SKIPPED)]).state is State.GETTING_OLD


def unchanged_for(days: int, expected: Expectation = CRM) -> Health:
    """The only copy is so old, and every night the server said that nothing is new."""
    old = DUE - days * DAY
    copies = [copy(old, place, name="crm-old", looked=NOW) for place in ("disk-a", "cloud")]
    return stand(copies, [run(1, DUE, Outcome.SKIPPED, "crm-old")], expected=expected)


def test_an_unchanged_export_shows_both_ages() -> None:
    health = unchanged_for(18)
    assert health.state is State.SAFE
    assert health.sentence == (
        "Safe. Last good copy 6 hours ago, here and in the cloud (unchanged since Tue 3 Nov)."
    )
    (source,) = health.sources
    assert (source.here, source.content) == (DUE, DUE - 18 * DAY)
    assert as_json(health)["sources"][0]["unchanged_since"] == "2026-11-03T02:00:00+00:00"


def test_a_server_that_offers_the_same_file_for_months_is_not_green() -> None:
    assert unchanged_for(29).state is State.SAFE
    health = unchanged_for(300)
    assert health.state is State.GETTING_OLD
    assert health.sentence == "Getting old. Nothing has changed since Sun 25 Jan."
    assert health.todo == "Look in the CRM whether it still makes its export."


@pytest.mark.parametrize(
    ("schedule", "days", "state"),
    [
        ("weekly on sat at 03:00", 60, State.SAFE),
        ("weekly on sat at 03:00", 75, State.GETTING_OLD),
        ("monthly on 21 at 03:00", 290, State.SAFE),
        ("monthly on 21 at 03:00", 320, State.GETTING_OLD),
        ("every 6 h", 29, State.SAFE),
        ("every 6 h", 31, State.GETTING_OLD),
    ],
)
def test_nothing_may_change_for_ten_periods_and_at_least_thirty_days(
    schedule: str, days: int, state: State
) -> None:
    assert unchanged_for(days, replace(CRM, schedule=parse(schedule))).state is state


def test_a_run_to_which_nothing_was_offered_confirms_nothing() -> None:
    """The only copy is ten months old and nobody feeds the inbox: that is not fresh."""
    nothing = run(2, NOW, Outcome.SKIPPED, message="There was nothing to fetch.")
    health = stand([copy(DUE - 300 * DAY)], [nothing], expected=LOCAL)
    assert health.state is State.GETTING_OLD
    assert health.sentence == (
        "Getting old. The last good copy is 300 days ago; a newer one should be there."
    )
    assert health.todo == "Put a new export there, or look why nobody does."


def test_a_run_to_which_nothing_was_offered_hides_no_held_export() -> None:
    held = run(1, DUE - DAY, Outcome.HELD, "crm-held")
    copies = [copy(DUE - 2 * DAY), copy(DUE - DAY, name="crm-held")]
    assert stand(copies, [run(2, DUE, Outcome.SKIPPED), held]).state is State.HELD


def test_an_unchanged_day_without_one_of_the_disks_is_a_confirmation_too() -> None:
    two = replace(LOCAL, places=("disk-a", "disk-b"))
    seen = {"disk-a": NOW, "disk-b": DUE - DAY}
    copies = [copy(DUE - 3 * DAY, disk, name="crm-old", looked=at) for disk, at in seen.items()]
    away = run(1, DUE, Outcome.WARNING, "crm-old", hint="Plug disk-b in.")
    health = stand(copies, [away], expected=two)
    assert (health.state, health.todo) == (State.SAFE, "Plug disk-b in.")


def test_B8_a_cloud_that_nobody_looked_at_is_not_confirmed_by_an_unchanged_day() -> None:
    """Its token may be dead: the copy there is as fresh as it was last seen, whatever is new."""
    here = copy(DUE - 9 * DAY, name="crm-old", looked=NOW)
    nights = [run(9 - age, DUE - age * DAY, Outcome.SKIPPED, "crm-old") for age in range(8)]
    seen = copy(DUE - 9 * DAY, "cloud", name="crm-old", looked=DUE - DAY)
    assert stand([here, seen], nights).sentence == (
        "Safe. Last good copy 6 hours ago here, 30 hours ago in the cloud"
        " (unchanged since Thu 12 Nov)."
    )
    half_hourly = [
        run(50 - number, NOW - number * timedelta(minutes=30), Outcome.SKIPPED, "crm-old")
        for number in range(50)
    ]
    often = replace(CRM, schedule=parse("every 30 min"))
    gone = replace(seen, verified=DUE - 8 * DAY)
    assert stand([here, gone], half_hourly, expected=often).state is State.GETTING_OLD
    lost = replace(seen, verified=DUE - 3 * DAY)
    assert stand([here, lost], nights).sentence == (
        "Getting old. The copy in the cloud is from 3 days ago."
    )


def test_a_run_to_which_nothing_was_offered_does_not_put_the_cloud_in_doubt() -> None:
    weekly = replace(CRM, schedule=parse("weekly on sat at 03:00"))
    looked = [copy(DUE, place, name="crm-1", looked=DUE) for place in ("disk-a", "cloud")]
    empty = run(2, DUE + timedelta(hours=31), Outcome.SKIPPED)
    health = stand(looked, [empty, run(1, DUE, Outcome.OK, "crm-1")], DUE + 3 * DAY, weekly)
    assert health.state is State.SAFE


def test_each_of_two_clouds_is_judged_by_itself() -> None:
    two = replace(CRM, mirrors=("cloud", "attic"))
    health = stand(BOTH, now=DUE + timedelta(hours=7), expected=two)
    assert health.sentence == "Getting old. The copy in attic is missing."


def test_a_disk_that_is_still_being_filled_is_not_called_complete() -> None:
    filling = replace(CRM, to_bring={"disk-a": 0, "disk-b": 1200})
    health = stand(BOTH, expected=filling)
    assert health.sentence == (
        "Safe. Last good copy 6 hours ago, here and in the cloud; "
        "1,200 older backups still to bring to disk-b."
    )
    assert as_json(health)["sources"][0]["to_bring"] == {"disk-b": 1200}


def test_a_failure_that_a_person_must_mend_is_a_look_with_its_hint() -> None:
    failed = run(2, DUE + DAY, Outcome.FAILED, message="Login refused.", hint="Check the password.")
    health = stand(BOTH, [failed, run(1, DUE, Outcome.OK)], DUE + DAY + timedelta(hours=1))
    assert health.state is State.LOOK
    assert health.sentence == "Look. Login refused."
    assert health.todo == "Check the password."


def test_a_failure_that_is_tried_again_is_getting_old_only_after_its_grace() -> None:
    runs = [run(2, DUE + DAY, Outcome.FAILED, hint="wait"), run(1, DUE, Outcome.OK)]
    soon, late = DUE + DAY + timedelta(hours=1), DUE + DAY + timedelta(hours=7)
    assert stand(BOTH, runs, soon, retrying={"crm"}).state is State.SAFE
    assert stand(BOTH, runs, late, retrying={"crm"}).state is State.GETTING_OLD


@pytest.mark.parametrize("outcome", [Outcome.CANCELLED, Outcome.INTERRUPTED, None])
def test_what_was_stopped_or_cut_off_hides_no_failure(outcome: Outcome | None) -> None:
    runs = [run(3, NOW, outcome), run(2, DUE, Outcome.FAILED), run(1, DUE - DAY, Outcome.OK)]
    assert stand(BOTH, runs).state is State.LOOK


def test_a_held_export_waits_for_a_person_and_is_never_fresh() -> None:
    held = run(2, DUE, Outcome.HELD, "crm-held", message="Half the contacts are gone.")
    copies = [copy(DUE - DAY), copy(DUE - DAY, "cloud"), copy(DUE, name="crm-held")]
    health = stand(copies, [held, run(1, DUE - DAY, Outcome.OK)])
    assert health.state is State.HELD
    assert health.sentence == "Held. Half the contacts are gone."
    assert health.todo
    assert health.sources[0].here == DUE - DAY


def test_a_held_export_that_comes_again_unchanged_still_waits() -> None:
    copies = [copy(DUE - 2 * DAY), copy(DUE - DAY, name="crm-held")]
    runs = [run(2, DUE, Outcome.SKIPPED, "crm-held"), run(1, DUE - DAY, Outcome.HELD, "crm-held")]
    assert stand(copies, runs).state is State.HELD


def test_an_accepted_export_counts() -> None:
    held = run(2, DUE, Outcome.HELD, "crm-held")
    copies = [copy(DUE, name="crm-held"), copy(DUE, "cloud", name="crm-held")]
    assert stand(copies, [held], held=()).state is State.SAFE


def test_a_clock_in_doubt_judges_nothing_overdue_and_is_never_green() -> None:
    for now in (datetime(1970, 1, 1, tzinfo=UTC), NOW + 3650 * DAY):
        health = stand(BOTH, now=now, clock_trusted=False)
        assert health.state is State.WAITING
        assert "clock" in health.sentence
        assert "internet" in health.todo
        assert health.sources[0].here_age is None


def test_a_copy_from_the_future_proves_nothing_about_today() -> None:
    ahead = [copy(NOW + 3650 * DAY), copy(NOW + 3650 * DAY, "cloud")]
    assert stand(ahead).state is State.LOOK
    assert stand([*ahead, copy(DUE - 9 * DAY)]).state is State.GETTING_OLD


def test_a_cloud_copy_that_stays_behind_gets_old_with_words() -> None:
    copies = [copy(DUE), copy(DUE - 3 * DAY, "cloud")]
    soon = stand(copies, now=DUE + timedelta(hours=1))
    assert soon.state is State.SAFE
    assert soon.sentence == "Safe. Last good copy 1 hour ago here, 3 days ago in the cloud."
    late = stand(copies, now=DUE + timedelta(hours=7))
    assert late.state is State.GETTING_OLD
    assert late.sentence == "Getting old. The copy in the cloud is from 3 days ago."


def test_no_cloud_copy_at_all_is_not_forgiven_for_long() -> None:
    assert stand([copy(DUE)], now=DUE + timedelta(hours=1)).state is State.SAFE
    late = stand([copy(DUE)], now=DUE + timedelta(hours=7))
    assert late.sentence == "Getting old. The copy in the cloud is missing."


def test_proving_the_copy_here_again_does_not_forgive_the_cloud() -> None:
    again = replace(copy(DUE - 3 * DAY, name="crm-x"), verified=NOW)
    copies = [again, copy(DUE - 4 * DAY, "cloud")]
    skipped = [run(1, DUE, Outcome.SKIPPED, "crm-x")]
    assert (
        stand(copies, skipped).sentence == "Getting old. The copy in the cloud is from 4 days ago."
    )


def test_a_weekly_cloud_copy_is_given_its_week() -> None:
    weekly = replace(CRM, cloud_grace=7 * DAY + timedelta(hours=6))
    copies = [*(copy(DUE - n * DAY) for n in range(3)), copy(DUE - 3 * DAY, "cloud")]
    assert stand(copies, expected=weekly).state is State.SAFE
    copies = [*(copy(DUE - n * DAY) for n in range(8)), copy(DUE - 8 * DAY, "cloud")]
    assert stand(copies, expected=weekly).state is State.GETTING_OLD


def test_one_disk_of_two_that_stays_behind_is_named() -> None:
    two = replace(LOCAL, places=("disk-a", "disk-b"))
    copies = [copy(DUE), copy(DUE - 3 * DAY), copy(DUE - 3 * DAY, "disk-b")]
    assert stand(copies, now=DUE + timedelta(hours=1), expected=two).state is State.SAFE
    late = stand(copies, now=DUE + timedelta(hours=7), expected=two)
    assert late.sentence == "Getting old. The newest copies are missing on disk-b."


def test_A14_a_disk_that_was_found_damaged_is_said_however_fresh_the_copies_are() -> None:
    two = replace(CRM, places=("disk-a", "disk-b"))
    copies = [*BOTH, copy(DUE, "disk-b")]
    health = stand(copies, [run(1, DUE, Outcome.OK)], expected=two, damaged=["disk-b"])
    assert health.state is State.LOOK
    assert health.sentence == (
        "Look. disk-b was found damaged; the last good copy elsewhere is of Sat 21 Nov 03:00."
    )
    assert "appliance check --repository disk-b" in health.todo
    alone = stand([copy(DUE)], expected=LOCAL, damaged=["disk-a"])
    assert alone.sentence == "Look. disk-a was found damaged; there is no other copy."
    assert stand(BOTH, damaged=["disk-of-another-source"]).state is State.SAFE
    refused = run(2, DUE, Outcome.FAILED, message="The server refused.", hint="Ask the vendor.")
    both = stand(copies, [refused], expected=two, damaged=["disk-b"])
    assert both.sentence.endswith("03:00. The server refused.")
    assert both.todo.endswith("Ask the vendor.")


def test_a_warning_is_safe_but_says_what_to_do() -> None:
    health = stand(BOTH, [run(1, DUE, Outcome.WARNING, hint="Plug disk-b in.")])
    assert (health.state, health.todo) == (State.SAFE, "Plug disk-b in.")


def test_working_and_waiting_are_said_and_hide_no_held_export() -> None:
    assert stand(BOTH, running="crm").state is State.WORKING
    assert stand(BOTH, waiting=["crm"]).state is State.WAITING
    assert stand([], running="crm").state is State.WORKING
    assert stand([], waiting=["crm"]).state is State.LOOK
    assert stand(BOTH, [run(1, DUE, Outcome.HELD)], running="crm").state is State.HELD
    assert stand(BOTH, running="another").state is State.SAFE


def test_the_box_stands_as_its_worst_source_does() -> None:
    site = replace(CRM, source="site")
    health = assess([CRM, site], BOTH, [], NOW)
    assert health.state is State.LOOK
    assert health.sentence == "Look. site: There is no good copy yet."
    assert [source.state for source in health.sources] == [State.SAFE, State.LOOK]


def test_as_json_is_plain_json() -> None:
    health = stand(BOTH, [run(1, DUE, Outcome.OK, message="12 new contacts")])
    said = json.loads(json.dumps(as_json(health)))
    assert said["state"] == "safe"
    assert said["sources"][0]["here"] == "2026-11-21T02:00:00+00:00"
    assert said["sources"][0]["here_age_seconds"] == (6 * 60 + 5) * 60
    assert said["sources"][0]["places"] == {
        "disk-a": "2026-11-21T02:00:00+00:00",
        "cloud": "2026-11-21T02:00:00+00:00",
    }
    assert said["sources"][0]["last_message"] == "12 new contacts"


outcomes = st.sampled_from([*Outcome, None])
hours = st.integers(0, 24 * 20)


@settings(max_examples=200, deadline=None)
@given(
    copies=st.lists(st.tuples(hours, st.sampled_from(["disk-a", "cloud"])), max_size=6),
    runs=st.lists(st.tuples(hours, outcomes, st.integers(0, 480)), max_size=6),
)
def test_safe_means_a_proved_copy_that_is_young_enough(
    copies: list[tuple[int, str]], runs: list[tuple[int, Outcome | None, int]]
) -> None:
    """Whatever else is true, green takes a copy or its confirmation since the slot before last."""
    held = [copy(NOW - timedelta(hours=ago), place, name=f"crm-{ago}") for ago, place in copies]
    done = [
        run(n, NOW - timedelta(hours=ago), outcome, f"crm-{of}")
        for n, (ago, outcome, of) in enumerate(sorted(runs, reverse=True, key=lambda r: r[0]), 1)
    ][::-1]
    health = stand(held, done)
    for borgs in ("repository", "archive", "prune", "chunk"):
        assert borgs not in health.sentence + health.todo
    if health.state is State.SAFE:
        oldest = DUE  # due six hours and five minutes ago, with a grace of six
        names = {one.archive for one in held if one.place == "disk-a"}
        fresh = [one.time for one in held if one.place == "disk-a"]
        fresh += [
            one.started
            for one in done
            if one.outcome in (Outcome.SKIPPED, Outcome.WARNING) and one.archive in names
        ]
        assert max(fresh) >= oldest


ROTATING = replace(
    CRM, places=("disk-a", "disk-b"), mirrors=(), away=frozenset({"disk-b"}), away_grace=14 * DAY
)


def test_a_disk_that_is_away_in_turn_is_no_fault() -> None:
    here = [copy(DUE - n * DAY) for n in range(13)]
    health = stand([*here, copy(DUE - 13 * DAY, "disk-b")], expected=ROTATING)
    assert health.state is State.SAFE
    assert health.reasons == ()


def test_a_disk_that_left_before_its_first_backup_is_asked_for_as_well() -> None:
    health = stand([copy(DUE - n * DAY) for n in range(20)], expected=ROTATING)
    assert health.state is State.GETTING_OLD
    assert "disk-b is away, and it has no copy" in health.sentence


def test_a_disk_away_for_longer_than_the_office_is_ready_to_lose_is_asked_for() -> None:
    here = [copy(DUE - n * DAY) for n in range(20)]
    health = stand([*here, copy(DUE - 19 * DAY, "disk-b")], expected=ROTATING)
    assert health.state is State.GETTING_OLD
    assert "disk-b is away, and its newest copy is of Mon 2 Nov" in health.sentence
    assert "Bring disk-b" in health.todo
    assert health.reasons == (Reason.DISK,)


def test_a_disk_that_is_here_must_have_what_the_other_one_has() -> None:
    here = [copy(DUE - n * DAY) for n in range(3)]
    back = replace(ROTATING, away=frozenset())
    assert stand([*here, copy(DUE - 2 * DAY, "disk-b")], expected=back).state is State.GETTING_OLD


@pytest.mark.parametrize(
    ("days", "state"), [(1, State.GETTING_OLD), (2, State.GETTING_OLD), (3, State.LOOK)]
)
def test_F9_without_any_disk_it_gets_old_after_one_night_and_wants_a_person_after_three(
    days: int, state: State
) -> None:
    alone = replace(ROTATING, away=frozenset({"disk-a", "disk-b"}), on_the_box=days)
    kept = [run(1, DUE, Outcome.WARNING, faults=("DiskAbsent",))]
    health = stand([copy(DUE - days * DAY)], kept, NOW, alone)
    assert health.state is state
    assert health.reasons == (Reason.DISK,)
    assert "on the box itself" in health.sentence
    assert "Plug in a backup disk" in health.todo


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("SourceRefused", Reason.EXPORT),
        ("WrongDisk", Reason.DISK),
        ("DiskFull", Reason.FULL),
        ("MirrorRefused", Reason.CLOUD),
        ("RepositoryDamaged", Reason.DAMAGED),
        ("ToolFailed", Reason.FAULT),
    ],
)
def test_what_a_failed_run_recorded_says_why_somebody_should_look(fault, reason) -> None:
    failed = [run(1, DUE, Outcome.FAILED, message="It failed.", faults=(fault,))]
    assert stand(BOTH, failed).reasons == (reason,)


def test_safe_is_good_until_the_grace_after_the_next_backup_is_over() -> None:
    assert stand(BOTH).good_until == DUE + DAY + timedelta(hours=6)
    assert stand([]).good_until is None
    late = DUE + DAY + timedelta(hours=6, seconds=1)
    assert stand(BOTH, now=late).state is State.GETTING_OLD


def test_every_error_says_why_somebody_should_look() -> None:
    """Only what nobody can foresee is a fault of the program."""
    import appliance.core.errors as errors
    from appliance.core.evidence import _REASONS

    known = {name for name, one in vars(errors).items() if isinstance(one, type)}
    generic = {"ApplianceError", "ConfigError", "ToolFailed", "Cancelled"}
    raised = {n for n in known if issubclass(vars(errors)[n], errors.ApplianceError)}
    assert raised - generic == set(_REASONS)

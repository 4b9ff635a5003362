"""Looking: how things stand, what was done, which backups there are."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from .. import place
from ..core import activity_words, vitals, words
from ..core.errors import ApplianceError, DiskAbsent, RepositoryBusy
from ..core.model import Archive, Outcome, Run, TableChanges
from ..core.outbox import MESSAGES
from ..core.sign_ins import Standing
from ..screen import brief, change_line, complain, say, say_json, step_line, table
from ..system.socket import Client, WorkerAbsent
from .office import Office, json_option, main, names, office, source_argument, time_of

if TYPE_CHECKING:
    from ..box import Box
    from ..exports.tables.alike import Twins

_NOT_KEPT = (
    "whoever takes over this box could destroy the copy there "
    "(README: A cloud that nobody can empty)."
)

_WANTS_A_PERSON = ("look", "held")


@main.command(short_help="Say whether we are safe.")
@click.option("--all", "everything", is_flag=True, help="Also what is well: power, card, disks.")
@json_option
@office
def status(office: Office, everything: bool, as_json: bool) -> None:
    """Say whether we are safe, from the age of the last proved copy, here and in the cloud.

    It ends with 3 where a person must look or decide, else with 0.
    """
    health = _status(office)
    if as_json:
        say_json(health)
    else:
        _say_health(health)
        found = [vitals.from_json(each) for each in health["vitals"]]
        for line in vitals.lines(found, everything=everything):
            say(f"  {line}")
        for each in found:
            if each.name == MESSAGES and each.state is vitals.Condition.OK and not everything:
                say(f"  {each.sentence}")
    sys.exit(3 if health["state"] in _WANTS_A_PERSON else 0)


def _say_health(health: Mapping[str, Any]) -> None:
    say(str(health["sentence"]))
    if health["todo"]:
        say(f"To do: {health['todo']}")
    if health.get("configuration"):
        say("! The configuration has problems; the last good one is in use:")
        for problem in health["configuration"]:
            say(f"    {problem}")
    for source in health["sources"]:
        say(f"  {source['source']}: {source['sentence']}")
    for each in health.get("sign_ins", ()):
        if each["state"] == Standing.GOOD and each["until"]:
            say(f"  {each['sentence']}")
    for disk in health.get("disks", ()):
        say(f"  {_disk_line(disk)}")
    if health.get("reminder"):
        say(f"  {health['reminder']}")
    for name, mirror in health.get("mirrors", {}).items():
        if mirror["keeps"] is False:
            say(f"  {name}: {_NOT_KEPT}")


def _disk_line(disk: Mapping[str, Any]) -> str:
    """Given what the worker knows of a disk, say where it is and whether it may be unplugged."""
    name = disk["name"]
    if not disk["present"]:
        return f"{name}: not here{_for(disk['away_since'])}."
    if disk["problem"]:
        return f"{name}: {disk['problem']}"
    room = f", {words.size(disk['free_bytes'])} free" if disk["free_bytes"] is not None else ""
    weeks = disk.get("weeks_left")
    lasts = f" (enough for {words.plural(weeks, 'week')})" if weeks is not None else ""
    rests = "safe to unplug" if disk["at_rest"] else "at work: do not unplug it"
    return f"{name}: here, {rests}{room}{lasts}."


def _for(since: str | None) -> str:
    if since is None:
        return ""
    return f", last seen {words.age(datetime.now(UTC) - datetime.fromisoformat(since))}"


def _status(office: Office) -> Mapping[str, Any]:
    """Ask the worker, which knows what runs; without one the ledger says the rest."""
    if (there := place.socket(office.path)) is not None:
        with suppress(WorkerAbsent):
            return Client(there).status()
    from .. import sign_ins
    from ..status import health_of
    from ..system.clock import SystemClock
    from ..system.files import make_private
    from ..system.ledger import SqliteLedger
    from ..vitals import Vitals, with_vitals

    settings = office.settings
    make_private(settings.state)
    ledger, clock = SqliteLedger(settings.ledger), SystemClock()
    health = health_of(settings, ledger, clock)
    disks = [each.name for each in settings.repository if each.disk]
    signed_in = sign_ins.facts(settings, ledger, clock)
    of_vendors = sign_ins.vitals(signed_in, settings, clock.now())
    of_the_box = Vitals(ledger, clock, settings.state, disks).read()
    found = (*of_the_box, *of_vendors, *_of_messages(office))
    return {
        **health,
        "reasons": with_vitals(health["reasons"], found),
        "running": None,
        "waiting": [],
        "vitals": [vitals.as_json(each) for each in found],
        "sign_ins": signed_in,
    }


def _of_messages(office: Office) -> Sequence[vitals.Vital]:
    """Say whether messages get out, where there are any."""
    if not office.settings.messages.to:
        return ()
    from ..messenger import Messenger

    return Messenger(office.box, dict).vitals()


@main.command(short_help="Say which records were added, changed and removed.")
@source_argument
@click.option("--from", "since", metavar="TIME", help="Which backup before. [the one before]")
@click.option("--to", "until", metavar="TIME", help="Which backup after. [the last that came]")
@click.option("--table", "tables", multiple=True, metavar="NAME", help="Only this table.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(0, 1000))
@json_option
@office
def changes(office: Office, /, source: str, as_json: bool, **how: Any) -> None:
    """Say which records were added, changed and removed between two backups.

    \b
    appliance changes crm-nightly
    appliance changes crm-nightly --from "7 days ago" --table Contacts
    """
    from ..engine.restore import Span
    from ..foreground import changes as find_changes

    name, box = office.settings.source_named(source).name, office.box
    since, until = time_of(box, how["since"], "--from"), time_of(box, how["until"], "--to")
    done = find_changes(box, Span(name, since, until), how["tables"], quiet=as_json)
    if as_json:
        say_json({"before": done.before, "after": done.after, "tables": done.found})
        return
    say(f"From {office.when(done.before.time)} to {office.when(done.after.time)}:")
    for each in done.found:
        for line in _change_lines(each, how["limit"]):
            say(line)
    if not done.found:
        say("  There are no tables in these backups.")


_SIGNS = {"added": "+", "changed": "~", "removed": "-"}


def _change_lines(changes: TableChanges, limit: int) -> Iterator[str]:
    """Say what became of a table, and of its first records."""
    if not (changes.was_there and changes.is_there):
        yield f"  {changes.table}: {'new' if changes.is_there else 'not there any more'}"
        return
    counts = {kind: getattr(changes, kind) for kind in _SIGNS}
    told = ", ".join(f"{count:,} {kind}" for kind, count in counts.items() if count)
    how = "" if changes.id_columns else " (no column is an id: whole rows were compared)"
    yield f"  {changes.table}: {told or 'nothing'}{how if told else ''}"
    for names_of, word in ((changes.new_columns, "new"), (changes.lost_columns, "lost")):
        if names_of:
            yield f"    {word} columns: {', '.join(map(brief, names_of))}"
    for column in changes.everywhere:
        yield f"    the column {brief(column)} is another in nearly all records: not counted above"
    for was, now in changes.renamed.items():
        yield f"    the column {brief(was)} is called {brief(now)} now"
    for column, (was, now) in changes.retyped.items():
        yield f"    the column {brief(column)} has {now} now, it had {was}"
    if changes.hidden:
        yield f"    hidden before it was stored: {brief(changes.hidden)}"
    for record in changes.records[:limit]:
        named = f" ({brief(record.id)})" if record.id else ""
        yield f"    {_SIGNS[record.kind]} {brief(record.title)}{named}"
        for column, (old, new) in record.fields.items():
            yield f"        {change_line(column, old, new)}"
    if (more := sum(counts.values()) - min(limit, len(changes.records))) > 0 and limit:
        yield f"    and {more:,} more"


@main.command(short_help="Say who may be in a list twice.")
@source_argument
@click.option("--at", metavar="TIME", help="In which backup. [the newest good one]")
@click.option("--table", "tables", multiple=True, metavar="NAME", help="Only this table.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(0, 1000))
@json_option
@office
def duplicates(office: Office, /, source: str, as_json: bool, **how: Any) -> None:
    """Say who may be in a list twice: entries that have a word of their name in common, and an
    e-mail address or a telephone number. Whoever shares both, as a family may, is named too.

    \b
    appliance duplicates contacts
    appliance duplicates crm-nightly --table Contacts
    """
    from ..engine.restore import Wish
    from ..foreground import twins

    name, at = office.settings.source_named(source).name, time_of(office.box, how["at"], "--at")
    found, archive = twins(office.box, Wish(name, at, how["tables"]), quiet=as_json)
    if as_json:
        say_json({"archive": archive, "tables": found})
        return
    say(f"In the backup of {office.when(archive.time)}:")
    for table_name, groups in found.items():
        for line in _twin_lines(table_name, groups, how["limit"]):
            say(line)
    if not found:
        say("  There is no table of people in it that is called so; name one with --table.")


def _twin_lines(table_name: str, groups: Sequence[Twins], limit: int) -> Iterator[str]:
    """Say who may be twice in a table."""
    count = sum(len(each.records) for each in groups)
    told = f"{count:,} entries look like {len(groups):,}" if groups else "nobody is there twice"
    yield f"  {table_name}: {told}"
    for each in groups[:limit]:
        yield f"    {brief(', '.join(each.shared))}"
        for record in each.records:
            yield f"      {brief(record.title)}{f' ({brief(record.id)})' if record.id else ''}"
    if len(groups) > limit > 0:
        yield f"    and {len(groups) - limit:,} more"


@main.command(short_help="List what was done, newest first.")
@click.argument("about", metavar="[SOURCE]", required=False, shell_complete=names("source"))
@click.option(
    "--outcome",
    type=click.Choice([str(each) for each in Outcome]),
    help="Only what ended like this.",
)
@click.option("--before", metavar="RUN", type=click.IntRange(1, 2**63 - 1), help="Only older ones.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--run", "run_id", type=int, help="Show one run with all its steps.")
@json_option
@office
def history(
    office: Office, /, about: str | None, run_id: int | None, as_json: bool, **how: Any
) -> None:
    """List what was done, newest first.

    SOURCE may also be a kind with a colon: backup: drill: mirror: check: restore: timeline: person:
    """
    box = office.box
    if run_id is not None:
        _show_run(box, box.ledger.run(run_id), as_json)
        return
    outcome = Outcome(how["outcome"]) if how["outcome"] else None
    runs = box.ledger.activity(about, outcome, how["limit"], how["before"])
    if about is not None and not runs and ":" not in about:
        office.settings.source_named(about)
    if as_json:
        say_json([box.ledger.run(one.id) for one in runs])
    elif runs:
        table(("RUN", "STARTED", "WHAT", "HOW IT ENDED"), [_run_row(box, one) for one in runs])
    elif about or outcome:
        say("Nothing of that kind yet.")
    else:
        say("Nothing was done yet. Start with `appliance run`.")


def _run_row(box: Box, run: Run) -> tuple[str, str, str, str]:
    text = ": ".join(filter(None, (activity_words.ended(run), run.message)))
    when = words.when(run.started, box.zone, box.clock.now())
    return str(run.id), when, activity_words.what(run.source), text


def _show_run(box: Box, run: Run | None, as_json: bool) -> None:
    if run is None:
        raise ApplianceError("There is no such run.", hint="`appliance history` lists them.")
    if as_json:
        say_json(run)
        return
    started = words.when(run.started, box.zone, box.clock.now())
    say(f"Run {run.id}, {started}, {activity_words.why(run)}")
    say(f"{activity_words.mark(run.outcome)} {activity_words.line(run)}")
    if run.hint:
        say(f"  {run.hint}")
    for step in run.steps:
        say(step_line(step))
        if step.hint:
            say(f"      {step.hint}")
    if run.detail:
        say(run.detail)


@main.command(short_help="List the backups that can be restored.")
@click.argument("source", required=False, shell_complete=names("source"))
@click.option("--repository", shell_complete=names("repository"), help="Only of this one.")
@json_option
@office
def archives(office: Office, source: str | None, repository: str | None, as_json: bool) -> None:
    """List the backups that can be restored, newest first, and where each one lies."""
    from ..daemon import reading

    box = office.box
    if source is not None:
        office.settings.source_named(source)
    if repository is not None:
        office.settings.repository_named(repository)
    with reading(box):
        found, skipped = _archives(box, source, repository)
    if as_json:
        say_json([{"archive": one, "places": places} for one, places in found])
    elif not found and skipped:
        raise ApplianceError("On what can be read now there is no backup.", hint=skipped[-1].hint)
    elif not found:
        say("There is no backup yet. Start with `appliance run`.")
    else:
        rows = [(one.name, office.when(one.time), words.listed(places)) for one, places in found]
        table(("BACKUP", "TAKEN", "ON"), rows)


def _archives(
    box: Box, source: str | None, repository: str | None
) -> tuple[list[tuple[Archive, list[str]]], list[ApplianceError]]:
    """Return each archive, newest first, with the places that have it; and why some were skipped,
    with a note: those that are away or in use.
    """
    skipped: list[ApplianceError] = []
    places: dict[str, tuple[Archive, list[str]]] = {}
    names = [repository] if repository else list(box.repositories)
    for name in names:
        try:
            for archive in box.repositories[name].archives(source):
                places.setdefault(archive.name, (archive, []))[1].append(name)
        except (DiskAbsent, RepositoryBusy) as error:
            if repository:
                raise
            complain(error)
            skipped.append(error)
    return sorted(places.values(), key=lambda each: each[0].time, reverse=True), skipped

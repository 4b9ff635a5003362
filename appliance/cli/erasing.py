"""Erasing somebody from all backups, and the register of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from ..core.errors import ApplianceError
from ..core.model import Run, Trigger
from ..core.words import plural
from ..exports.choosing import some_of
from ..screen import brief, complain, exit_code, say, say_json
from .office import Office, json_option, main, names, office

if TYPE_CHECKING:
    from ..erasures import Asked, Sought
    from ..exports.meant import Meant

_MOST_SHOWN = 50
_WAITING = 3
_WRITTEN_DOWN = "The request is written down, and is done with the next backup: do not ask again."
_STILL_THERE = (
    "The newest export still has {}: delete it in the CRM and back up first, or it comes back with "
    "the next export."
)


@main.command(short_help="Erase somebody from all backups.")
@click.option("--source", shell_complete=names("source"), help="From whose backups.")
@click.option("--record", metavar="ID", default="", help="The record with this id.")
@click.option("--match", "text", metavar="TEXT", default="", help="Records that say all words.")
@click.option("--table", "tables", multiple=True, metavar="NAME", help="Only in this table.")
@click.option("--reason", default="", metavar="TEXT", help="Why; kept in the register: no name.")
@click.option("--compact", "at_once", is_flag=True, help="Give the room back now, not in a week.")
@click.option(
    "--anyway",
    is_flag=True,
    help="Also who is still there, or an id that was another's.",
)
@click.option("--dry-run", is_flag=True, help="Only show whom it would erase.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--register", "listed", is_flag=True, help="List the requests, and where done.")
@json_option
@office
def erase(office: Office, /, *, as_json: bool, **how: Any) -> None:
    """Erase somebody from every backup of a source, and say where that is done.

    \b
    appliance erase --source crm-nightly --match "Meyer Berlin" --dry-run
    appliance erase --source crm-nightly --record 0030500001 --table Contacts
    appliance erase --register

    Shows whom it found first, and asks. Every version of a record with an id goes; of a table
    without ids, the rows that say the words. Each backup is written anew under its name and time,
    read back, and searched. A disk that is away is done when it is back; until then no restore and
    no search gives them out. Rows of other tables that name them stay unless they say the words
    too. There is no way back. Ends with 3 while anything waits.
    """
    if how["listed"]:
        _list(office, as_json=as_json)
        return
    sought = _looked(office, how, quiet=as_json)
    if how["dry_run"]:
        _show(sought, as_json=as_json)
        return
    _require_sense(sought, how)
    if not how["yes"]:
        _confirm(sought)
    elif not as_json:
        _show(sought, as_json=False)
    _erase(office, sought, how, as_json=as_json)


def _erase(office: Office, sought: Sought, how: dict[str, Any], *, as_json: bool) -> None:
    """Ask for it and do it; what is left to do is said at the end, also of a Run that went well."""
    from ..daemon import WorkerPresent
    from ..engine.erasing import job_name
    from ..erasures import ask, asked
    from ..foreground import run_now

    erasure = ask(office.box, sought, how["reason"], Trigger.COMMAND, at_once=how["at_once"])
    runs: list[Run] = []
    try:
        runs = run_now(office.box, [job_name(sought.source)], Trigger.COMMAND, quiet=as_json)
    except WorkerPresent as error:
        complain(WorkerPresent(error.message, hint=_WRITTEN_DOWN))
    entry = next(one for one in asked(office.box) if one.at == erasure.at)
    if as_json:
        say_json({"runs": runs, "sought": _as_json(sought), "register": entry})
    else:
        for line in _left(entry):
            say(line)
    code = exit_code([one.outcome for one in runs])
    sys.exit(code or (_WAITING if entry.waits or entry.stuck else 0))


def _looked(office: Office, how: dict[str, Any], *, quiet: bool) -> Sought:
    from ..erasures import look
    from ..exports.meant import Wanted
    from ..foreground import watched

    record, text = how["record"].strip(), how["text"].strip()
    if not how["source"] or bool(record) == bool(text):
        raise click.UsageError("Give --source, and one of --record and --match.")
    if how["source"] not in office.box.sources_ever:
        office.settings.source_named(how["source"])
    with watched(office.box, quiet=quiet, lines=False) as watch:
        return look(office.box, how["source"], Wanted(record, text, how["tables"]), watch)


def _require_sense(sought: Sought, how: dict[str, Any]) -> None:
    if not sought.records:
        backups = plural(sought.backups, "backup")
        raise ApplianceError(
            f"There is no such record in {backups} of {sought.source}.",
            hint=" ".join([*_not_seen(sought), "`appliance find` shows what there is."]),
        )
    if how["record"] and len(sought.tables) > 1:
        raise click.UsageError(
            f"Several tables have a record with this id: {', '.join(sought.tables)}. Give --table."
        )
    if sought.still_there and not how["anyway"]:
        count = plural(len(sought.still_there), "of them", "of them")
        raise ApplianceError(_STILL_THERE.format(count), hint="--anyway erases them all the same.")

    others = [one for one in sought.records if one.was_another]
    if others and not how["anyway"]:
        raise ApplianceError(
            f"An id may have been somebody else's before: {_named(others[0])}.",
            hint="--dry-run shows all; --anyway erases all that had the id.",
        )


def _confirm(sought: Sought) -> None:
    """Show whom it means, and have that typed: there is no way back."""
    _show(sought, as_json=False)
    if not sys.stdin.isatty():
        raise click.UsageError("Nobody is there to ask: look at the list, then give --yes.")
    word = f"erase {len(sought.records)}"
    typed = click.prompt(f'Type "{word}" to erase for ever', default="", show_default=False)
    if typed != word:
        raise ApplianceError("Nothing was erased.")


def _show(sought: Sought, *, as_json: bool) -> None:
    if as_json:
        say_json(_as_json(sought))
        return
    for line in _lines(sought):
        say(line)


def _as_json(sought: Sought) -> dict[str, object]:
    return {
        "source": sought.source,
        "backups": sought.backups,
        "records": sought.records,
        "still_there": sought.still_there,
        "elsewhere": sought.elsewhere,
        "unread": sought.unread,
        "masked": sought.masked,
        "cannot": sought.cannot,
        "unseen": sought.unseen,
    }


def _lines(sought: Sought) -> Iterator[str]:
    found, backups = sought.records, plural(sought.backups, "backup")
    yield f"{plural(len(found), 'record')} in {backups} of {sought.source}:"
    for one in found[:_MOST_SHOWN]:
        yield f"  {_named(one)}"
    if len(found) > _MOST_SHOWN:
        yield f"  and {len(found) - _MOST_SHOWN:,} more"
    for path in sought.elsewhere:
        yield f"! {path} says it beside these records too: that stays as it is."
    for name, why in sought.cannot.items():
        yield f"! {name} keeps what it has, and goes by its age: {why}"
    for words in _not_seen(sought):
        yield f"! {words}"


def _named(one: Meant) -> str:
    where = brief(", ".join(filter(None, (one.table, one.id))))
    also = f", also called {brief(', '.join(one.also))}" if one.also else ""
    return f"{brief(one.title)} ({where}){also}"


def _not_seen(sought: Sought) -> Iterator[str]:
    """Say where nobody looked."""
    if sought.unread:
        count = plural(len(sought.unread), "file")
        yield f"Nobody looked into what is no text ({count}): {some_of(sought.unread)}."
    for table, columns in sought.masked.items():
        yield f"In {table}, {', '.join(columns)} may be masked: words in that are not found."
    for place, backups in sought.unseen.items():
        yield (
            f"{plural(backups, 'backup')} on {place} could not be looked through: records with an "
            "id go there too; for others ask again when it is here."
        )


def _list(office: Office, *, as_json: bool) -> None:
    from ..erasures import asked

    found = asked(office.box)
    if as_json:
        say_json(found)
        return
    for one in found:
        why = f" ({brief(one.reason)})" if one.reason else ""
        say(f"{office.when(one.at)}  {one.source}: {plural(one.records, 'record')}{why}")
        for line in _left(one):
            say(f"  {line}")
    if not found:
        say("Nobody was erased.")


def _left(one: Asked) -> Iterator[str]:
    """Say where a request is done, and what is left of it."""
    if one.done:
        yield f"No record is left on {', '.join(one.done)}."
    if one.in_a_week:
        where = ", ".join(one.in_a_week)
        yield f"On {where} nothing lists them any more; the room is given back in a week."
    if one.waits:
        yield f"Still to do, as soon as it is within reach: {', '.join(one.waits)}."
    for place, stuck in one.stuck.items():
        yield f"! On {place} could not be written anew, and goes by its age: {', '.join(stuck)}."
    for place in one.unseen:
        yield f"! {place} could not be looked through then: ask again for what has no id."
    for name in one.versions:
        yield f"! {name} keeps old versions of its files: its own rules let go of them, not we."

"""Erasing somebody from all backups, and the register of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from ..core.errors import ApplianceError
from ..core.model import Trigger
from ..core.words import plural
from ..screen import brief, say, say_json
from .office import Office, json_option, main, names, office
from .working import run_jobs

if TYPE_CHECKING:
    from ..erasures import Asked, Sought
    from ..exports.erasing import Wanted

_MOST_SHOWN = 50
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
@click.option("--anyway", is_flag=True, help="Also where the newest export still has them.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--register", "listed", is_flag=True, help="List the requests, and where done.")
@json_option
@office
def erase(
    office: Office,
    *,
    source: str | None,
    record: str,
    text: str,
    tables: tuple[str, ...],
    reason: str,
    at_once: bool,
    anyway: bool,
    yes: bool,
    listed: bool,
    as_json: bool,
) -> None:
    """Erase somebody from every backup of a source, and prove that nothing is left.

    \b
    appliance erase --source crm-nightly --match "Meyer Berlin"
    appliance erase --source crm-nightly --record 0030500001 --table Contacts
    appliance erase --register

    Shows whom it found first, and asks. All versions of those records go, from every table that has
    them, and each backup is written anew under its name and time. A disk that is away is done when
    it is back; until then no restore and no search gives them out. There is no way back.
    """
    from ..exports.erasing import Wanted

    if listed:
        _list(office, as_json=as_json)
        return
    if not source or bool(record) == bool(text.strip()):
        raise click.UsageError("Give --source, and one of --record and --match.")
    wanted = Wanted(record.strip(), text.strip(), tables)
    sought = _looked(office, source, wanted, quiet=as_json)
    _require_sense(sought, anyway=anyway)
    if not yes:
        _confirm(sought)
    from ..engine.erasing import job_name
    from ..erasures import ask

    ask(office.box, sought, reason, Trigger.COMMAND, at_once=at_once)
    run_jobs(office, [job_name(source)], as_json=as_json)


def _looked(office: Office, source: str, wanted: Wanted, *, quiet: bool) -> Sought:
    from ..erasures import look
    from ..foreground import watched

    office.settings.source_named(source)
    with watched(office.box, quiet=quiet, lines=False) as watch:
        return look(office.box, source, wanted, watch)


def _require_sense(sought: Sought, *, anyway: bool) -> None:
    if not sought.records:
        backups = plural(sought.backups, "backup")
        raise ApplianceError(
            f"There is no such record in {backups} of {sought.source}.",
            hint="`appliance find` shows what there is.",
        )
    if sought.still_there and not anyway:
        count = plural(len(sought.still_there), "of them", "of them")
        raise ApplianceError(_STILL_THERE.format(count), hint="--anyway erases them all the same.")


def _confirm(sought: Sought) -> None:
    """Show whom it means, and have that typed: there is no way back."""
    for line in _lines(sought):
        say(line)
    if not sys.stdin.isatty():
        raise click.UsageError("Nobody is there to ask: look at the list, then give --yes.")
    word = f"erase {len(sought.records)}"
    typed = click.prompt(f'Type "{word}" to erase for ever', default="", show_default=False)
    if typed != word:
        raise ApplianceError("Nothing was erased.")


def _lines(sought: Sought) -> Iterator[str]:
    found = list(sought.records.values())
    backups = plural(sought.backups, "backup")
    yield f"{plural(len(found), 'record')} in {backups} of {sought.source}:"
    for one in found[:_MOST_SHOWN]:
        yield f"  {brief(one.title)} ({brief(', '.join(filter(None, (one.table, one.id))))})"
    if len(found) > _MOST_SHOWN:
        yield f"  and {len(found) - _MOST_SHOWN:,} more"
    for path in sought.elsewhere:
        yield f"! {path} says it too, and is no table: it stays as it is."


def _list(office: Office, *, as_json: bool) -> None:
    from ..erasures import asked

    found = asked(office.box)
    if as_json:
        say_json(found)
        return
    for one in found:
        say(_line(office, one))
    if not found:
        say("Nobody was erased.")


def _line(office: Office, one: Asked) -> str:
    where = f"done on {', '.join(one.done)}" if one.done else ""
    waits = f"still to do on {', '.join(one.waits)}" if one.waits else ""
    why = f" ({brief(one.reason)})" if one.reason else ""
    said = [f"{one.source}: {plural(one.records, 'record')}{why}", where, waits]
    return f"{office.when(one.at)}  {'; '.join(filter(None, said))}"

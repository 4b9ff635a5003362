"""Finding one record through all backups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..core.errors import ApplianceError
from ..core.model import RecordMoment, RecordTimeline
from ..screen import brief, change_line, complain, say, say_json
from .office import Office, json_option, main, names, office

if TYPE_CHECKING:
    from ..timelines import Search

_SHORTEST_TEXT = 2
_WORDS = {"there": "there, in the oldest backup", "added": "new", "removed": "gone"}


@main.command(short_help="Tell what became of a record over all backups.")
@click.argument("text")
@click.option("--source", shell_complete=names("source"), help="Only in the backups of this one.")
@click.option(
    "--to",
    "into",
    type=click.Path(file_okay=False, path_type=Path),
    help="Also write the newest version of each there.",
)
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 500))
@json_option
@office
def find(
    office: Office, text: str, *, source: str | None, into: Path | None, limit: int, as_json: bool
) -> None:
    """Tell what became of each record that holds TEXT: when it came, each change, when it went.

    \b
    appliance find Meyer
    appliance find "Meyer Berlin" --source crm-nightly
    appliance find 0030500001 --to /tmp/back

    All words must stand in one version of the record; capital and small letters are the same. With
    --to the newest version of each comes as the vendor writes it, ready for the CRM's import. The
    first time each backup is read once, which takes a while.
    """
    if len(text.strip()) < _SHORTEST_TEXT:
        raise click.BadParameter("type two letters at least", param_hint="TEXT")
    sources = [source] if source else [each.name for each in office.settings.source]
    found = _searched(office, sources, text, quiet=as_json)
    paths = _given_back(office, found, into, quiet=as_json) if into else ()
    if as_json:
        say_json(_as_json(found, paths))
        return
    for each in found:
        for line in _lines(office, each, limit):
            say(line)
    for path in paths:
        say(f"  {path}")


def _searched(office: Office, sources: Sequence[str], text: str, *, quiet: bool) -> list[Search]:
    """Search each source; one of several that has no backup yet is complained about."""
    from ..foreground import watched
    from ..timelines import search

    for name in sources:
        office.settings.source_named(name)
    found = []
    with watched(office.box, quiet=quiet, lines=False) as watch:
        for name in sources:
            try:
                found.append(search(office.box, name, text, watch))
            except ApplianceError as error:
                if len(sources) == 1:
                    raise
                watch.check()
                complain(error)
    if not found:
        raise ApplianceError("There is no backup that can be searched.")
    return found


def _given_back(
    office: Office, found: Sequence[Search], into: Path, *, quiet: bool
) -> tuple[Path, ...]:
    from ..foreground import make_folder, watched
    from ..timelines import give_back

    if any(each.found.count > len(each.found.records) for each in found):
        raise ApplianceError("These are too many records.", hint="Say more of what you look for.")
    wanted = [each for each in found if each.found.records]
    if not wanted:
        raise ApplianceError("There is no such record in any backup.")
    make_folder(into)
    paths: list[Path] = []
    with watched(office.box, quiet=quiet, lines=False) as watch:
        for each in wanted:
            folder = into / each.source if len(wanted) > 1 else into
            paths += give_back(office.box, each.found.records, folder, watch)
    return tuple(paths)


def _as_json(found: Sequence[Search], paths: Sequence[Path]) -> dict[str, object]:
    return {
        "sources": [
            {
                "source": each.source,
                "count": each.found.count,
                "newest": each.newest.name if each.newest else None,
                "troubles": [one.message for one in each.troubles],
            }
            for each in found
        ],
        "records": [record for each in found for record in each.found.records],
        "paths": list(paths),
    }


def _lines(office: Office, search: Search, limit: int) -> Iterator[str]:
    """Say what was found in one source."""
    for trouble in search.troubles:
        yield f"! {trouble.message}"
    if search.troubles and search.newest:
        yield f"  What follows is as of {office.when(search.newest.time)}."
    count = search.found.count
    records = "1 record" if count == 1 else f"{count:,} records" if count else "no record"
    yield f"{search.source}: {records}"
    for record in search.found.records[:limit]:
        yield from _record_lines(office, record)
    if (more := count - min(limit, len(search.found.records))) > 0:
        yield f"  and {more:,} more: say more of what you look for"


def _record_lines(office: Office, record: RecordTimeline) -> Iterator[str]:
    named = ", ".join(filter(None, (record.table, record.id)))
    yield f"  {brief(record.title)} ({brief(named)})"
    for moment in record.moments:
        yield from _moment_lines(office.when(moment.time), moment)


def _moment_lines(when: str, moment: RecordMoment) -> Iterator[str]:
    changes = [change_line(column, old, new) for column, (old, new) in moment.fields.items()]
    first, *others = [_WORDS.get(moment.kind, ""), *changes] if moment.kind in _WORDS else changes
    yield f"    {when}  {first}"
    for line in others:
        yield f"    {' ' * len(when)}  {line}"

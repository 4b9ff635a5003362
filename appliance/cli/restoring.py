"""Getting something back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from ..core.errors import ApplianceError
from ..core.model import Lost
from ..screen import say, say_json
from .office import Office, json_option, main, names, office, source_argument, time_of

if TYPE_CHECKING:
    from ..engine.restore import Wish

_LOOKS_WRONG = (
    "! Compared with the export of {}, which is held because it looks wrong: where it was cut off, "
    "these are not gone. Look into the CRM before you load them."
)
_MASKED = "! Of {}, {} was masked before it was stored."
_LEAVE_OUT = (
    "! Leave out what is masked where you load this into the CRM: it stands for a value that was "
    "never stored, and would overwrite the one that is there."
)
_NONE = {"removed": "none is gone", "changed": "none has changed"}


@main.command(short_help="Get files back into a folder.")
@source_argument
@click.option("--to", "into", required=True, type=click.Path(file_okay=False, path_type=Path))
@click.option("--at", "at", metavar="TIME", help="The newest good backup at or before TIME.")
@click.option("--repository", shell_complete=names("repository"), help="From this one only.")
@click.option("--from-mirror", "mirror", shell_complete=names("mirror"), help="From the cloud.")
@click.option("--table", "tables", multiple=True, metavar="NAME", help="Only this table or file.")
@click.option("--original", is_flag=True, help="The vendor's own file, byte for byte.")
@click.option("--import-pack", is_flag=True, help="All records, ready for a CRM's import.")
@click.option("--removed-since", metavar="TIME", help="Only records that are gone since TIME.")
@click.option("--changed-since", metavar="TIME", help="Records changed since, as they were then.")
@click.option("--record", metavar="ID", help="Only this record, as it was (--at TIME).")
@json_option
@office
def restore(office: Office, /, source: str, into: Path, as_json: bool, **how: Any) -> None:
    """Get files, or lost records, back into a folder; nothing that is there is overwritten.

    \b
    appliance restore crm-nightly --to /tmp/back
    appliance restore crm-nightly --at "3 days ago" --table Leads --to /tmp/back
    appliance restore crm-nightly --original --from-mirror cloud --to /tmp/back
    appliance restore crm-nightly --removed-since yesterday --to /tmp/back
    appliance restore crm-nightly --import-pack --to /tmp/back

    Lost records come in the vendor's own columns, order and encoding: ready for its import. An
    import pack has every table in the order of loading, and a page that says what to click.
    """
    from ..engine.restore import Wish

    if how["removed_since"] or how["changed_since"] or how["record"]:
        _restore_records(office, source, into, how, as_json=as_json)
        return
    from ..foreground import give_back

    name, box = office.settings.source_named(source).name, office.box
    wish = Wish(name, time_of(box, how["at"], "--at"), how["tables"], how["original"])
    if how["import_pack"]:
        _write_pack(office, wish, into, how, as_json=as_json)
        return
    done = give_back(box, wish, into, how["repository"], how["mirror"], quiet=as_json)
    if as_json:
        say_json(done)
        return
    say(f"From the backup of {office.when(done.archive.time)} ({done.place}), every byte compared:")
    for path in done.paths:
        say(f"  {path}")
    for table, columns in done.masked.items():
        say(_MASKED.format(table, ", ".join(columns)))
    if done.masked:
        say(_LEAVE_OUT)


def _write_pack(
    office: Office, wish: Wish, into: Path, how: Mapping[str, Any], *, as_json: bool
) -> None:
    from ..foreground import give_pack

    if how["original"]:
        raise click.UsageError("Give one of --import-pack and --original.")
    places = how["repository"], how["mirror"]
    paths, archive = give_pack(office.box, wish, into, *places, quiet=as_json)
    if as_json:
        say_json({"paths": paths, "archive": archive})
        return
    say(f"From the backup of {office.when(archive.time)}; open the first in a browser:")
    for path in paths:
        say(f"  {path}")


def _restore_records(
    office: Office, source: str, into: Path, how: Mapping[str, Any], *, as_json: bool
) -> None:
    from ..engine.restore import Span
    from ..foreground import give_lost

    what, since, option = _which_records(how)
    name, box = office.settings.source_named(source).name, office.box
    span = Span(name, time_of(box, since, option))
    wish = Lost(what, how["tables"], how["record"] or "")
    done = give_lost(box, span, wish, into, how["repository"], quiet=as_json)
    paths, before, after = done.found, done.before, done.after
    if as_json:
        said = {str(path): words for path, words in paths.items() if words}
        say_json({"paths": [*paths], "before": before, "after": after, "hidden": said})
        return
    if not paths:
        between = f"{_NONE[what]} between {office.when(before.time)} and {office.when(after.time)}"
        there = f"there is no {wish.record} in the backup of {office.when(before.time)}"
        raise ApplianceError(
            f"No such record: {there if wish.record else between}.",
            hint="`appliance changes` lists what changed; an earlier time may have it.",
        )
    if after.held and not wish.record:
        say(_LOOKS_WRONG.format(office.when(after.time)))
    say(f"As they were {office.when(before.time)}, every byte compared:")
    for path, hidden in paths.items():
        say(f"  {path}{f', hidden before it was stored: {hidden}' if hidden else ''}")
    if any(paths.values()):
        say(_LEAVE_OUT)


def _which_records(
    how: Mapping[str, Any],
) -> tuple[Literal["removed", "changed"], str | None, str]:
    """What is wished for, the time from which it is, and the option that says so; refuse what
    makes no sense together.
    """
    given = [key for key in ("removed_since", "changed_since", "record") if how[key]]
    if len(given) > 1:
        raise click.UsageError("Give one of --removed-since, --changed-since and --record.")
    if how["original"] or how["mirror"] or how["import_pack"]:
        options = "--original, --import-pack or --from-mirror"
        raise click.UsageError(f"Single records do not go with {options}.")
    if how["at"] and given != ["record"]:
        raise click.UsageError("--at goes with --record; the other two say their time themselves.")
    if how["changed_since"]:
        return "changed", how["changed_since"], "--changed-since"
    if how["removed_since"]:
        return "removed", how["removed_since"], "--removed-since"
    return "removed", how["at"], "--at"

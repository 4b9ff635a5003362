"""Getting something back."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..core import moment
from ..screen import say, say_json
from .office import Office, json_option, main, names, office, source_argument

if TYPE_CHECKING:
    from ..box import Box


@main.command(short_help="Get files back into a folder.")
@source_argument
@click.option("--to", "into", required=True, type=click.Path(file_okay=False, path_type=Path))
@click.option("--at", "at", metavar="TIME", help="The newest good backup at or before TIME.")
@click.option("--repository", shell_complete=names("repository"), help="From this one only.")
@click.option("--from-mirror", "mirror", shell_complete=names("mirror"), help="From the cloud.")
@click.option("--table", "tables", multiple=True, metavar="NAME", help="Only this table or file.")
@click.option("--original", is_flag=True, help="The vendor's own file, byte for byte.")
@json_option
@office
def restore(office: Office, /, source: str, into: Path, as_json: bool, **how: Any) -> None:
    """Get files back into a folder; nothing that is there is overwritten.

    \b
    appliance restore crm-nightly --to /tmp/back
    appliance restore crm-nightly --at "3 days ago" --table Leads --to /tmp/back
    appliance restore crm-nightly --original --from-mirror cloud --to /tmp/back
    """
    from ..engine.restore import Wish
    from ..foreground import give_back

    name, box = office.settings.source_named(source).name, office.box
    wish = Wish(name, _time(box, how["at"]), how["tables"], how["original"])
    done = give_back(box, wish, into, how["repository"], how["mirror"], quiet=as_json)
    if as_json:
        say_json(done)
        return
    say(f"From the backup of {office.when(done.archive.time)} ({done.place}), every byte compared:")
    for path in done.paths:
        say(f"  {path}")


def _time(box: Box, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return moment.parse(text, box.zone, box.clock.now())
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--at") from None

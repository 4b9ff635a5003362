"""A person's word on an export that was held."""

from __future__ import annotations

import click

from ..core.model import Trigger
from ..screen import say, say_json
from .office import Office, json_option, main, office


def _held(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Complete the names of what is held, in the shell."""
    from ..core.errors import ApplianceError
    from ..deciding import held

    there = ctx.find_root().obj or Office(ctx.find_root().params.get("config_path"))
    try:
        return [name for name in held(there.box) if name.startswith(incomplete)]
    except ApplianceError:
        return []


_archive = click.argument("archive", shell_complete=_held)
_reason = click.option("--reason", default="", metavar="TEXT", help="Why; kept with the decision.")


@main.command(short_help="Say that a held export is right: it counts from now on.")
@_archive
@_reason
@json_option
@office
def accept(office: Office, archive: str, reason: str, as_json: bool) -> None:
    """Say that a held export is right: it counts as a good backup from now on."""
    _decide(office, archive, reason, is_right=True, as_json=as_json)


@main.command(short_help="Say that a held export is wrong: it never counts.")
@_archive
@_reason
@json_option
@office
def reject(office: Office, archive: str, reason: str, as_json: bool) -> None:
    """Say that a held export is wrong: it stays where it is and never counts.

    Put right in the CRM what made it so; the next backup brings it.
    """
    _decide(office, archive, reason, is_right=False, as_json=as_json)


def _decide(office: Office, archive: str, reason: str, *, is_right: bool, as_json: bool) -> None:
    from .. import deciding

    done = deciding.say(office.box, archive, reason, Trigger.COMMAND, is_right=is_right)
    if as_json:
        say_json(done)
    elif is_right:
        say(f"{archive} counts as a good backup from now on.")
    else:
        say(f"{archive} stays where it is, and never counts.")
        say("`appliance run` brings a new export once the CRM has a right one.")

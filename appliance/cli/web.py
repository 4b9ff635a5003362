"""The page: the process itself, the code that makes it yours, its password and fingerprint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .. import identity, place
from ..core.errors import ApplianceError, ConfigError
from ..screen import say
from .office import Group, Office, main, office

if TYPE_CHECKING:
    from ..page_map import Known


@main.group(cls=Group, invoke_without_command=True, short_help="The page.")
@office
@click.pass_context
def web(ctx: click.Context, office: Office) -> None:
    """Be the page until told to stop: what systemd starts."""
    if ctx.invoked_subcommand is None:
        from ..page import serve

        serve(office.path)


@web.command(short_help="Print the code that makes the page yours.")
@office
def claim(office: Office) -> None:
    """Print the code by which a new box's page becomes yours.

    It works once, and for a quarter of an hour.
    """
    from ..web import claim_code
    from ..web.people import People

    address, folder = _address(office), _folder(office)
    if People(folder).is_claimed():
        raise ApplianceError(
            "This box is somebody's already.",
            hint="`sudo appliance web password` sets another password.",
        )
    code = claim_code.new(folder)
    say(f"Open {address} in a browser and type this code there:")
    say()
    say(f"    {code}")
    say()
    say("It works once, and for a quarter of an hour.")
    _say_fingerprint(folder)


@web.command(short_help="Set the page's password anew.")
@office
def password(office: Office) -> None:
    """Set the password for changes on the page anew; everybody who is signed in is signed out."""
    from ..web import passwords
    from ..web.people import People
    from ..web.policy import Role

    names, folder = [_known(office).office.name], _folder(office)
    new = click.prompt("New password", hide_input=True, confirmation_prompt=True)
    if wrong := passwords.why_not(new, names):
        raise ApplianceError(wrong)
    People(folder).set_password(Role.CHANGE, new)
    say("The password is set, and everybody who was signed in is signed out.")


@main.command(short_help="Show the fingerprint of the page's certificate.")
@office
def fingerprint(office: Office) -> None:
    """Show the SHA-256 fingerprint of the page's certificate, as browsers show it.

    The browser warns because nobody but the box vouches for it: compare the two.
    """
    from ..web.certificate import fingerprint

    shown = fingerprint(_folder(office))
    if not shown:
        raise ApplianceError(
            "The page has no certificate yet.", hint="It is made when the page starts first."
        )
    say(shown)


def _folder(office: Office) -> Path:
    """Return the page's own folder; go on as whom it belongs to, so that nothing of root's is left
    in it.
    """
    from ..page_map import own_folder

    folder = own_folder(office.path, {})
    identity.become_owner_of(folder if folder.is_dir() else place.state(office.path))
    return folder


def _known(office: Office) -> Known:
    """What the configuration says of the page; nothing is written down, as we may be root."""
    from ..page_map import defaults, read

    try:
        return read(office.path)
    except ConfigError:
        return defaults()


def _address(office: Office) -> str:
    from ..web import hosts

    return hosts.url(_known(office).listen)


def _say_fingerprint(folder: Path) -> None:
    from ..web.certificate import fingerprint

    if shown := fingerprint(folder):
        say("The browser will warn: nobody but the box vouches for its certificate.")
        say("It is the right one if its SHA-256 fingerprint is")
        say()
        say(f"    {shown}")

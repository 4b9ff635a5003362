"""Making ready: the configuration, servers' keys, repositories, emergency sheets."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..core import words
from ..core.errors import ConfigError, SourceRefused
from ..screen import facts, say, say_json
from .office import Office, json_option, main, names, office, write_down
from .working import run_jobs

if TYPE_CHECKING:
    from ..enrolment import Offer


@main.command(short_help="Name every problem of the configuration.")
@click.option(
    "--repository",
    shell_complete=names("repository"),
    help="Instead read everything on this one; whole, it is trusted again.",
)
@json_option
@office
def check(office: Office, repository: str | None, as_json: bool) -> None:
    """Name every problem of the configuration at once; or read a whole repository."""
    if repository is not None:
        name = office.settings.repository_named(repository).name
        run_jobs(office, [f"check:{name}"], as_json=as_json)
    try:
        settings = office.settings
        office.box.check_secrets()
    except ConfigError as error:
        if not as_json:
            raise
        say_json({"configuration": office.path, "problems": error.problems})
        sys.exit(2)
    counts = {kind: len(getattr(settings, kind)) for kind in ("source", "repository", "mirror")}
    if as_json:
        say_json({"configuration": office.path, "problems": [], **counts})
        return
    parts = [
        words.plural(count, kind, "repositories" if kind == "repository" else None)
        for kind, count in counts.items()
    ]
    say(f"{office.path} is fine: {words.listed(parts)}.")


@main.command(short_help="Show a server's key and pin it.")
@click.argument("name", metavar="NAME", shell_complete=names("source", "repository"))
@click.option("--yes", is_flag=True, help="Pin without asking (only if you compared it elsewhere).")
@json_option
@office
def trust(office: Office, name: str, yes: bool, as_json: bool) -> None:
    """Show the key of an SFTP source's or an ssh:// repository's server, and pin it.

    Nothing is pulled from, or stored on, a server whose key is not pinned. Compare the
    fingerprint with what the server's owner tells you by another way: by phone, on the hosting
    company's page, or from the server itself (ssh-keygen -lf on its .pub file).
    """
    from .. import enrolment

    offered = enrolment.offered_key(office.box, name)
    key = offered.key
    shown = {"server": key.place, "key": key.kind, "fingerprint": key.fingerprint}
    if as_json:
        if yes and not offered.is_pinned and not offered.in_configuration:
            _pin(office, offered)
        say_json({**shown, "pinned": yes or offered.is_pinned, "pinned_before": offered.pinned})
        return
    facts(shown)
    if offered.is_pinned:
        say("This key is pinned already.")
        return
    if offered.in_configuration:
        raise SourceRefused(
            f"The server shows another key than `host_key` in {office.path} says.",
            hint="If you were told that it changed, correct `host_key` there, or remove it.",
        )
    if offered.pinned:
        say(f"! Until now another key was pinned: {offered.pinned}")
        say("  If nobody told you that the server changed, do not go on.")
    if not yes:
        click.confirm("Is this the key you were told?", abort=True)
    _pin(office, offered)
    is_source = name in {each.name for each in office.settings.source}
    say(f"Pinned. Go on with `appliance {'run' if is_source else 'init'} {name}`.")


def _pin(office: Office, offered: Offer) -> None:
    from .. import enrolment

    enrolment.pin_key(office.box, offered)
    key = offered.key
    write_down(office, "trust", f"{key.place} is trusted by its key {key.fingerprint}.")


@main.command(short_help="Make a repository (once) and its emergency sheet.")
@click.argument("repository", shell_complete=names("repository"))
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep it in this folder, and write that into the configuration.",
)
@click.option("--adopt", is_flag=True, hidden=True, help="Take the disk of another box over.")
@json_option
@office
def init(office: Office, repository: str, folder: Path | None, adopt: bool, as_json: bool) -> None:
    """Make a repository (once), with a passphrase of its own in the secret store.

    \b
    appliance init disk-a --folder /srv/backup
    """
    from .. import enrolment

    if folder is not None:
        from ..changing.editing import add_folder

        add_folder(office.path, repository, folder.absolute())
    if adopt:
        made = enrolment.adopt_disk(office.box, repository, sys.stdin.readline().strip())
    else:
        made = enrolment.init_repository(office.box, repository)
    write_down(office, "pairing", f"{repository} was taken into use for backups.")
    if folder is not None:
        _tell_the_worker(office)
    if as_json:
        say_json(made)
        return
    say(f"{repository} is ready: {made.location}")
    say(f"  id {made.id}")
    say(f"Print the emergency sheet now and keep it away from the box: {made.sheet}")
    say("Without the box, the passphrase on it is the only way to your backups.")


def _tell_the_worker(office: Office) -> None:
    """Have a worker that runs take the new place over; another reads of it when it starts."""
    from ..system.socket import Client, WorkerAbsent

    with suppress(WorkerAbsent):
        Client(office.box.socket).reload()


@main.command(short_help="Write a repository's emergency sheet.")
@click.argument("repository", shell_complete=names("repository"))
@click.option("--to", "into", type=click.Path(dir_okay=False, path_type=Path), help="A file.")
@office
def sheet(office: Office, repository: str, into: Path | None) -> None:
    """Write the emergency sheet (HTML, one page): passphrase, id, restoring without the box."""
    from .. import enrolment
    from ..system.files import write_durably

    html = enrolment.sheet(office.box, office.settings.repository_named(repository).name)
    write_down(office, "sheet", f"The emergency sheet of {repository} was written.")
    if into is None:
        say(html)
        return
    write_durably(into, html.encode(), 0o600)
    say(f"Print {into}, keep it away from the box, and delete the file.")


@main.command("data-protection", short_help="Write the data-protection sheet.")
@click.option("--to", "into", type=click.Path(dir_okay=False, path_type=Path), help="A file.")
@json_option
@office
def data_protection(office: Office, into: Path | None, as_json: bool) -> None:
    """Write the data-protection sheet (HTML, one page): what is kept, where, how long, for whom.

    It says what holds now, by the settings and what was backed up; after a change print it anew.
    """
    from .. import data_protection as protection
    from ..system.files import write_durably

    box = office.box
    sheet = protection.data_sheet(box.settings, box.ledger, box.clock)
    if as_json:
        say_json(protection.facts(sheet))
    elif into is None:
        say(protection.render(sheet))
    else:
        write_durably(into, protection.render(sheet).encode(), 0o644)
        say(f"Print {into}.")


@main.command(short_help="Have your shell complete names.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what makes your shell complete names: eval "$(appliance completion bash)"."""
    from click.shell_completion import get_completion_class

    complete = get_completion_class(shell)
    if complete is not None:
        root = ctx.find_root()
        say(complete(root.command, {}, "appliance", "_APPLIANCE_COMPLETE").source())

"""Doing something now: back up, cancel, mirror, drill; and the worker that does it for ever."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..core.errors import ApplianceError
from ..core.links import LONGEST_LINK
from ..core.model import Trigger
from ..screen import exit_code, say, say_json
from ..system.socket import Client, WorkerAbsent
from .office import Office, json_option, main, names, office, source_argument, write_down

if TYPE_CHECKING:
    from ..config import Settings


@main.command()
@click.argument("sources", nargs=-1, metavar="[SOURCE]...", shell_complete=names("source"))
@json_option
@office
def run(office: Office, sources: tuple[str, ...], as_json: bool) -> None:
    """Back up now: all sources, or those named. Asks the daemon where one is running."""
    names = [office.settings.source_named(name).name for name in sources]
    names = names or [source.name for source in office.settings.source]
    if not names:
        raise ApplianceError("No source is configured.", hint="Add a [[source]] to the file.")
    run_jobs(office, names, as_json=as_json)


def run_jobs(office: Office, jobs: list[str], *, as_json: bool) -> None:
    """Run jobs in the foreground, say how they ended, and end with the exit code of that."""
    from ..foreground import run_now

    runs = run_now(office.box, jobs, Trigger.COMMAND, quiet=as_json)
    if as_json:
        say_json(runs)
    sys.exit(exit_code([one.outcome for one in runs]))


@main.command(short_help="Fetch a download link now.")
@source_argument
@json_option
@office
def fetch(office: Office, source: str, as_json: bool) -> None:
    """Fetch what a download link leads to, into an inbox, and back it up.

    The link is asked for, or read from standard input; it never stands in the command itself.
    """
    from ..pasted import take

    name = office.settings.source_named(source).name
    host = take(office.settings, name, _a_link(), office.box.clock.now())
    write_down(office, "link", f"A download link to {host} was given to {name}.")
    run_jobs(office, [name], as_json=as_json)


def _a_link() -> str:
    """A prompt shows nothing of it: what stands on a screen is read."""
    if sys.stdin.isatty():
        return str(click.prompt("Download link (not shown)", hide_input=True))
    return sys.stdin.read(2 * LONGEST_LINK)


@main.command(short_help="Stop what waits or runs of a source.")
@source_argument
@json_option
@office
def cancel(office: Office, source: str, as_json: bool) -> None:
    """Cancel what waits or runs of a source, or of mirror:NAME, drill:NAME or erase:SOURCE.

    Every copy stays as it was.
    """
    job = _job_named(office.settings, source)
    try:
        there = Client(office.box.socket).cancel(job)
    except WorkerAbsent:
        _ask_whoever_works(office)
        raise
    if as_json:
        say_json({"job": job, "cancelled": there})
        return
    say("It is being stopped." if there else f"There is nothing to cancel for {job}.")


def _ask_whoever_works(office: Office) -> None:
    """Raise where it is a command in another terminal that works, which nobody can ask."""
    from ..daemon import WorkerPresent, only_worker

    try:
        with only_worker(office.box):
            pass
    except WorkerPresent:
        raise ApplianceError(
            "What runs was started in another terminal.", hint="Press Ctrl-C there."
        ) from None


def _job_named(settings: Settings, job: str) -> str:
    """Given a job as a person types it, return it; raise ConfigError naming the nearest ones."""
    kind, _, name = job.rpartition(":")
    match kind:
        case "mirror":
            settings.mirror_named(name)
        case "erase":
            settings.source_named(name)
        case "drill" if name not in {each.name for each in settings.mirror}:
            settings.repository_named(name)
        case "drill":
            pass
        case _:
            settings.source_named(job)
    return job


@main.command()
@click.argument("name", required=False, metavar="[MIRROR]", shell_complete=names("mirror"))
@json_option
@office
def mirror(office: Office, name: str | None, as_json: bool) -> None:
    """Bring the cloud copy up to date now and compare both sides."""
    names = [office.settings.mirror_named(name).name] if name else []
    names = names or [each.name for each in office.settings.mirror]
    if not names:
        raise ApplianceError("No mirror is configured.", hint="Add a [[mirror]] to the file.")
    run_jobs(office, [f"mirror:{each}" for each in names], as_json=as_json)


@main.command(short_help="Test-restore, and record whether all was whole.")
@click.option("--from-mirror", "mirror", shell_complete=names("mirror"), help="From the cloud.")
@json_option
@office
def drill(office: Office, mirror: str | None, as_json: bool) -> None:
    """Restore the newest and one older backup to nowhere, and record whether they were whole.

    The daemon does so by itself each month from the first disk, each quarter from the cloud.
    """
    from ..foreground import drill_now

    runs = drill_now(office.box, mirror, quiet=as_json)
    if as_json:
        say_json(runs)
    sys.exit(exit_code([one.outcome for one in runs]))


@main.command()
@office
def daemon(office: Office) -> None:
    """Run the schedules until told to stop: what systemd starts.

    It does one backup at a time and what `appliance run` asks for. A signal to end (Ctrl-C) stops
    what it is doing in good order; that is begun anew at the next start.
    """
    from ..box import Box
    from ..changing.desk import begin_with
    from ..daemon import serve

    serve(Box(begin_with(office.path)), office.read_anew, office.path)


@main.command(short_help="Show the whole box on this machine.")
@click.option("--once", is_flag=True, help="End after the proof instead of staying.")
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), help="Where to play.")
def demo(once: bool, folder: Path | None) -> None:
    """Show the whole box on this machine, with a CRM of its own and nothing to set up."""
    from ..demo.story import play

    sys.exit(play(folder, once=once))

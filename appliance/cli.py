"""The command line: reads the words, asks the box, shows the answer. Part of the rim."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from . import __version__, place
from .core import moment, words
from .core.errors import (
    ApplianceError,
    Cancelled,
    ConfigError,
    DiskAbsent,
    RepositoryBusy,
    SourceRefused,
)
from .core.model import Archive, Run, Trigger
from .screen import (
    complain,
    exit_code,
    facts,
    run_lines,
    say,
    say_json,
    step_line,
    table,
)
from .system.socket import Client, WorkerAbsent

if TYPE_CHECKING:
    from .box import Box
    from .config import Settings

Command = TypeVar("Command", bound=Callable[..., Any])

_NOT_KEPT = (
    "whoever takes over this box could destroy the copy there "
    "(README: A cloud that nobody can empty)."
)

_WANTS_A_PERSON = ("look", "held")

json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON for programs.")


class Office:
    """What every command is given: where the configuration is, and the box once it is asked for.

    The box is put together late, so that `--help` and mistakes cost nothing.
    """

    def __init__(self, config_path: str | None) -> None:
        self.path = place.configuration(config_path)

    @functools.cached_property
    def settings(self) -> Settings:
        """The configuration; raise ConfigError with all its problems."""
        from .config import load

        return load(self.path)

    @functools.cached_property
    def box(self) -> Box:
        """The box that the configuration describes."""
        from .box import Box

        return Box(self.settings)


def _with_config(command: click.Command) -> None:
    """Let a command take `--config` too: who forgot it before the command's name need not care."""

    def take(ctx: click.Context, _: click.Parameter, path: str | None) -> None:
        if path is not None:
            ctx.obj = ctx.find_root().obj = Office(path)

    command.params.append(
        click.Option(["--config"], expose_value=False, hidden=True, is_eager=True, callback=take)
    )


class Main(click.Group):
    """Turns our errors into sentences and exit codes: 1 the work failed, 2 wrong use."""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a command."""
        _with_config(cmd)
        super().add_command(cmd, name)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            complain(error)
            sys.exit(2)
        except Cancelled as error:
            complain(error)
            sys.exit(130)
        except ApplianceError as error:
            complain(error)
            sys.exit(1)


@click.group(cls=Main, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    "config_path",
    metavar="FILE",
    help="The configuration; else $APPLIANCE_CONFIG, else /etc/appliance/appliance.toml.",
)
@click.version_option(__version__, prog_name="appliance")
@click.pass_context
def main(ctx: click.Context, config_path: str | None) -> None:
    """Back up the exports of your office's CRM, prove the copies, and get them back.

    \b
    A first time:   appliance check; appliance init DISK; appliance trust SOURCE; appliance run
    Every day:      appliance status
    When it counts: appliance restore SOURCE --at yesterday --to /some/folder

    TIME is a date or time ("2026-11-21", "2026-11-21 14:30"), "yesterday" or "3 days ago",
    and means the newest good backup at or before it.

    \b
    Exit codes: 0 fine, 1 the work failed, 2 wrong use or configuration, 3 held or waiting.
    """
    ctx.obj = Office(config_path)


office = click.make_pass_decorator(Office)


def _names(*kinds: str) -> Callable[..., list[str]]:
    """Complete names of some kinds of sections in the shell."""

    def complete(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
        try:
            settings = ctx.find_root().obj or Office(ctx.find_root().params.get("config_path"))
            sections = [one for kind in kinds for one in getattr(settings.settings, kind)]
        except ApplianceError:
            return []
        return [one.name for one in sections if one.name.startswith(incomplete)]

    return complete


source_argument = click.argument("source", shell_complete=_names("source"))


@main.command(short_help="Name every problem of the configuration.")
@click.option(
    "--repository",
    shell_complete=_names("repository"),
    help="Instead read everything on this one; whole, it is trusted again.",
)
@json_option
@office
def check(office: Office, repository: str | None, as_json: bool) -> None:
    """Name every problem of the configuration at once; or read a whole repository."""
    if repository is not None:
        name = office.settings.repository_named(repository).name
        _run(office, [f"check:{name}"], as_json=as_json)
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
@click.argument("name", metavar="NAME", shell_complete=_names("source", "repository"))
@click.option("--yes", is_flag=True, help="Pin without asking (only if you compared it elsewhere).")
@json_option
@office
def trust(office: Office, name: str, yes: bool, as_json: bool) -> None:
    """Show the key of an SFTP source's or an ssh:// repository's server, and pin it.

    Nothing is pulled from, or stored on, a server whose key is not pinned. Compare the
    fingerprint with what the server's owner tells you by another way: by phone, on the hosting
    company's page, or from the server itself (ssh-keygen -lf on its .pub file).
    """
    from . import enrolment

    offered = enrolment.offered_key(office.box, name)
    key = offered.key
    shown = {"server": key.place, "key": key.kind, "fingerprint": key.fingerprint}
    if as_json:
        if yes and not offered.is_pinned and not offered.in_configuration:
            enrolment.pin_key(office.box, offered)
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
    enrolment.pin_key(office.box, offered)
    is_source = name in {each.name for each in office.settings.source}
    say(f"Pinned. Go on with `appliance {'run' if is_source else 'init'} {name}`.")


@main.command(short_help="Make a repository (once) and its emergency sheet.")
@click.argument("repository", shell_complete=_names("repository"))
@json_option
@office
def init(office: Office, repository: str, as_json: bool) -> None:
    """Make a repository (once), with a passphrase of its own in the secret store."""
    from . import enrolment

    made = enrolment.init_repository(office.box, repository)
    if as_json:
        say_json(made)
        return
    say(f"{repository} is ready: {made.location}")
    say(f"  id {made.id}")
    say(f"Print the emergency sheet now and keep it away from the box: {made.sheet}")
    say("Without the box, the passphrase on it is the only way to your backups.")


@main.command()
@click.argument("sources", nargs=-1, metavar="[SOURCE]...", shell_complete=_names("source"))
@json_option
@office
def run(office: Office, sources: tuple[str, ...], as_json: bool) -> None:
    """Back up now: all sources, or those named. Asks the daemon where one is running."""
    names = [office.settings.source_named(name).name for name in sources]
    names = names or [source.name for source in office.settings.source]
    if not names:
        raise ApplianceError("No source is configured.", hint="Add a [[source]] to the file.")
    _run(office, names, as_json=as_json)


def _run(office: Office, jobs: list[str], *, as_json: bool) -> None:
    from .foreground import run_now

    runs = run_now(office.box, jobs, Trigger.COMMAND, quiet=as_json)
    if as_json:
        say_json(runs)
    sys.exit(exit_code([one.outcome for one in runs]))


@main.command(short_help="Stop what waits or runs of a source.")
@source_argument
@json_option
@office
def cancel(office: Office, source: str, as_json: bool) -> None:
    """Cancel what waits or runs of a source, or of mirror:NAME or drill:NAME.

    Every copy stays as it was.
    """
    job = _job_named(office.settings, source)
    try:
        there = Client(office.settings.socket).cancel(job)
    except WorkerAbsent:
        _ask_whoever_works(office)
        raise
    if as_json:
        say_json({"job": job, "cancelled": there})
        return
    say("It is being stopped." if there else f"There is nothing to cancel for {job}.")


def _ask_whoever_works(office: Office) -> None:
    """Raise where it is a command in another terminal that works, which nobody can ask."""
    from .daemon import WorkerPresent, only_worker

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
        case "drill" if name not in {each.name for each in settings.mirror}:
            settings.repository_named(name)
        case "drill":
            pass
        case _:
            settings.source_named(job)
    return job


@main.command(short_help="Say whether we are safe.")
@json_option
@office
def status(office: Office, as_json: bool) -> None:
    """Say whether we are safe, from the age of the last proved copy, here and in the cloud.

    It ends with 3 where a person must look or decide, else with 0.
    """
    health = _status(office)
    if as_json:
        say_json(health)
    else:
        _say_health(health)
    sys.exit(3 if health["state"] in _WANTS_A_PERSON else 0)


def _say_health(health: Mapping[str, Any]) -> None:
    say(str(health["sentence"]))
    if health["todo"]:
        say(f"To do: {health['todo']}")
    for source in health["sources"]:
        say(f"  {source['source']}: {source['sentence']}")
    for name, mirror in health.get("mirrors", {}).items():
        if mirror["keeps"] is False:
            say(f"  {name}: {_NOT_KEPT}")


def _status(office: Office) -> Mapping[str, Any]:
    """Ask the worker, which knows what runs; without one the ledger says the rest."""
    if (there := place.socket(office.path)) is not None:
        with suppress(WorkerAbsent):
            return Client(there).status()
    from .status import health_of
    from .system.clock import SystemClock
    from .system.files import make_private
    from .system.ledger import SqliteLedger

    settings = office.settings
    make_private(settings.state)
    health = health_of(settings, SqliteLedger(settings.ledger), SystemClock())
    return {**health, "running": None, "waiting": []}


@main.command(short_help="List what was done, newest first.")
@click.argument("source", required=False, shell_complete=_names("source"))
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--run", "run_id", type=int, help="Show one run with all its steps.")
@json_option
@office
def history(
    office: Office, source: str | None, limit: int, run_id: int | None, as_json: bool
) -> None:
    """List what was done, newest first."""
    box = office.box
    if run_id is not None:
        _show_run(box, box.ledger.run(run_id), as_json)
        return
    runs = box.ledger.runs(source, limit)
    if source is not None and not runs and ":" not in source:
        office.settings.source_named(source)
    if as_json:
        say_json(runs)
    elif not runs:
        say("Nothing was done yet. Start with `appliance run`.")
    else:
        table(("RUN", "STARTED", "SOURCE", "HOW IT ENDED"), [_run_row(box, one) for one in runs])


def _run_row(box: Box, run: Run) -> tuple[str, str, str, str]:
    ended = words.OUTCOMES[run.outcome] if run.outcome else "under way"
    text = f"{ended}: {run.message}" if run.message else ended
    return str(run.id), words.when(run.started, box.zone, box.clock.now()), run.source, text


def _show_run(box: Box, run: Run | None, as_json: bool) -> None:
    if run is None:
        raise ApplianceError("There is no such run.", hint="`appliance history` lists them.")
    if as_json:
        say_json(run)
        return
    started = words.when(run.started, box.zone, box.clock.now())
    say(f"Run {run.id}, {started}, {words.TRIGGERS[run.trigger]}")
    for line in run_lines(run):
        say(line)
    for step in run.steps:
        say(step_line(step))
        if step.hint:
            say(f"      {step.hint}")
    if run.detail:
        say(run.detail)


@main.command(short_help="List the backups that can be restored.")
@click.argument("source", required=False, shell_complete=_names("source"))
@click.option("--repository", shell_complete=_names("repository"), help="Only of this one.")
@json_option
@office
def archives(office: Office, source: str | None, repository: str | None, as_json: bool) -> None:
    """List the backups that can be restored, newest first, and where each one lies."""
    from .daemon import reading

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
        rows = [(one.name, _when(box, one.time), words.listed(places)) for one, places in found]
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


def _when(box: Box, time: datetime) -> str:
    return words.when(time, box.zone, box.clock.now())


@main.command(short_help="Get files back into a folder.")
@source_argument
@click.option("--to", "into", required=True, type=click.Path(file_okay=False, path_type=Path))
@click.option("--at", "at", metavar="TIME", help="The newest good backup at or before TIME.")
@click.option("--repository", shell_complete=_names("repository"), help="From this one only.")
@click.option("--from-mirror", "mirror", shell_complete=_names("mirror"), help="From the cloud.")
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
    from .engine.restore import Wish
    from .foreground import give_back

    name, box = office.settings.source_named(source).name, office.box
    wish = Wish(name, _time(box, how["at"]), how["tables"], how["original"])
    done = give_back(box, wish, into, how["repository"], how["mirror"], quiet=as_json)
    if as_json:
        say_json(done)
        return
    say(f"From the backup of {_when(box, done.archive.time)} ({done.place}), every byte compared:")
    for path in done.paths:
        say(f"  {path}")


def _time(box: Box, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return moment.parse(text, box.zone, box.clock.now())
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--at") from None


@main.command()
@click.argument("name", required=False, metavar="[MIRROR]", shell_complete=_names("mirror"))
@json_option
@office
def mirror(office: Office, name: str | None, as_json: bool) -> None:
    """Bring the cloud copy up to date now and compare both sides."""
    names = [office.settings.mirror_named(name).name] if name else []
    names = names or [each.name for each in office.settings.mirror]
    if not names:
        raise ApplianceError("No mirror is configured.", hint="Add a [[mirror]] to the file.")
    _run(office, [f"mirror:{each}" for each in names], as_json=as_json)


@main.command(short_help="Test-restore, and record whether all was whole.")
@click.option("--from-mirror", "mirror", shell_complete=_names("mirror"), help="From the cloud.")
@json_option
@office
def drill(office: Office, mirror: str | None, as_json: bool) -> None:
    """Restore the newest and one older backup to nowhere, and record whether they were whole.

    The daemon does so by itself each month from the first disk, each quarter from the cloud.
    """
    from .foreground import drill_now

    runs = drill_now(office.box, mirror, quiet=as_json)
    if as_json:
        say_json(runs)
    sys.exit(exit_code([one.outcome for one in runs]))


@main.command(short_help="Write a repository's emergency sheet.")
@click.argument("repository", shell_complete=_names("repository"))
@click.option("--to", "into", type=click.Path(dir_okay=False, path_type=Path), help="A file.")
@office
def sheet(office: Office, repository: str, into: Path | None) -> None:
    """Write the emergency sheet (HTML, one page): passphrase, id, restoring without the box."""
    from . import enrolment
    from .system.files import write_durably

    html = enrolment.sheet(office.box, office.settings.repository_named(repository).name)
    if into is None:
        say(html)
        return
    write_durably(into, html.encode(), 0o600)
    say(f"Print {into}, keep it away from the box, and delete the file.")


@main.command()
@office
def daemon(office: Office) -> None:
    """Run the schedules until told to stop: what systemd starts.

    It does one backup at a time and what `appliance run` asks for. A signal to end (Ctrl-C) stops
    what it is doing in good order; that is begun anew at the next start.
    """
    from .daemon import serve

    serve(office.box)


@main.command(short_help="Show the whole box on this machine.")
@click.option("--once", is_flag=True, help="End after the proof instead of staying.")
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), help="Where to play.")
def demo(once: bool, folder: Path | None) -> None:
    """Show the whole box on this machine, with a CRM of its own and nothing to set up."""
    from .demo.story import play

    sys.exit(play(folder, once=once))


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

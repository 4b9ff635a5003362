"""What every command is given, and how our errors become sentences and exit codes."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .. import __version__, identity, place
from ..core import moment, words
from ..core.errors import ApplianceError, Cancelled, ConfigError
from ..core.model import Trigger
from ..screen import complain

if TYPE_CHECKING:
    from ..box import Box
    from ..config import Settings

_AS_ROOT = frozenset(
    {"completion", "demo", "disk", "doctor", "fingerprint", "panel", "recipe", "recover", "web"}
)
"""What changes the machine itself, or nothing of the box's. All else is done as the user whose the
box is."""

Command = TypeVar("Command", bound=Callable[..., Any])

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
        return self.read_anew()

    def read_anew(self) -> Settings:
        """The configuration as it is now; raise ConfigError with all its problems."""
        from ..config import load

        return load(self.path)

    @functools.cached_property
    def box(self) -> Box:
        """The box that the configuration describes."""
        from ..box import Box

        return Box(self.settings)

    def when(self, time: datetime) -> str:
        """Return a time as this office says it."""
        return words.when(time, self.box.zone, self.box.clock.now())


def _with_config(command: click.Command) -> None:
    """Let a command take `--config` too: who forgot it before the command's name need not care."""

    def take(ctx: click.Context, _: click.Parameter, path: str | None) -> None:
        if path is not None:
            ctx.obj = ctx.find_root().obj = Office(path)

    command.params.append(
        click.Option(["--config"], expose_value=False, hidden=True, is_eager=True, callback=take)
    )


class Group(click.Group):
    """Commands that each take `--config` too."""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a command."""
        _with_config(cmd)
        super().add_command(cmd, name)


class Main(Group):
    """Turns our errors into sentences and exit codes: 1 the work failed, 2 wrong use."""

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
    if ctx.invoked_subcommand not in _AS_ROOT:
        identity.become_keeper_of(ctx.obj.path)


office = click.make_pass_decorator(Office)


def write_down(office: Office, what: str, words: str) -> None:
    """Have the record of what people did hold this act; where it cannot be written, say so."""
    from .. import audit

    try:
        box = office.box
        audit.write(box.ledger, box.clock, what, words, True, Trigger.COMMAND)
    except ApplianceError as error:
        complain(error)


def names(*kinds: str) -> Callable[..., list[str]]:
    """Complete names of some kinds of sections in the shell."""

    def complete(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
        try:
            settings = ctx.find_root().obj or Office(ctx.find_root().params.get("config_path"))
            sections = [one for kind in kinds for one in getattr(settings.settings, kind)]
        except ApplianceError:
            return []
        return [one.name for one in sections if one.name.startswith(incomplete)]

    return complete


source_argument = click.argument("source", shell_complete=names("source"))


def time_of(box: Box, text: str | None, option: str) -> datetime | None:
    """Given what somebody typed for a time, return the moment; None where nothing was typed."""
    if text is None:
        return None
    try:
        return moment.parse(text, box.zone, box.clock.now())
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from None

"""Lamps and button: the process itself, the label to print, and which pins are used."""

from __future__ import annotations

from pathlib import Path

import click

from ..core.errors import ApplianceError
from ..screen import say, say_json, table
from .office import Group, Office, json_option, main, office


@main.group(cls=Group, invoke_without_command=True, short_help="Lamps and button.")
@office
@click.pass_context
def panel(ctx: click.Context, office: Office) -> None:
    """Be the lamps and the button until told to stop: what systemd starts.

    It follows the worker; when that is dead, frozen or lying, PLEASE LOOK says so within a minute.
    """
    if ctx.invoked_subcommand is None:
        from ..panel import serve

        serve(office.path)


@panel.command("last-resort", short_help="Light PLEASE LOOK while the panel cannot.")
@office
def last_resort(office: Office) -> None:
    """Light PLEASE LOOK until told to stop: what systemd starts when the panel itself died."""
    from ..panel import last_resort

    last_resort(office.path)


@panel.command(short_help="The label for the box, to print.")
@click.option(
    "--to", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write it here."
)
def label(file: Path | None) -> None:
    """Write the label for the box: what each lamp says, and what the button does.

    It is an SVG of 9 cm; print it at its own size and stick it beside the lamps.
    """
    from ..panel_label import label
    from ..system.files import disk_errors

    if file is None:
        say(label())
        return
    with disk_errors(file):
        file.write_text(label(), encoding="utf-8")
    say(f"Written to {file}. Print it at its own size (100 %), 9 cm wide.")


@panel.command(short_help="Which pins are used, and which are free.")
@json_option
@office
def pins(office: Office, as_json: bool) -> None:
    """Show which pin carries what, by BCM number and by its place on the header."""
    from ..core.pins import PLACES
    from ..panel_map import read

    known = read(office.path).pins
    if known is None and not as_json:
        raise ApplianceError(
            "No panel is configured.", hint="Add [panel]: image/appliance.toml shows its keys."
        )
    used = known.pins() if known else {}
    free = [pin for pin in PLACES if pin not in used.values()]
    if as_json:
        say_json({"used": used, "free": sorted(free)})
        return
    rows = [(name, f"GPIO{pin}", f"{PLACES[pin]}") for name, pin in used.items()]
    table(("CARRIES", "PIN", "ON THE HEADER"), rows)
    say(f"Free: {', '.join(map(str, sorted(free)))}")

"""Caring for the installation: what is wrong with it, in words."""

from __future__ import annotations

import os
import sys

import click

from ..core import words
from ..core.activity_words import MARKS
from ..core.errors import ApplianceError
from ..core.model import Outcome
from ..screen import say, say_json
from .office import Office, json_option, main, office

_SHOWN = {"ok": MARKS[Outcome.OK], "warn": MARKS[Outcome.WARNING], "bad": MARKS[Outcome.FAILED]}


@main.command(short_help="Say what is wrong with the installation.")
@click.option("--all", "everything", is_flag=True, help="Also what is in order.")
@json_option
@office
def doctor(office: Office, everything: bool, as_json: bool) -> None:
    """Look at everything that `sudo make install` laid down, and say what is wrong and what to do.

    It changes nothing. It ends with 1 where something must be done, else with 0.
    """
    if os.geteuid() != 0:
        raise ApplianceError(
            "Only the administrator can look everywhere.", hint="Type: sudo appliance doctor"
        )
    from ..doctor import examine

    findings = examine(office.path)
    worst = any(each.state == "bad" for each in findings)
    if as_json:
        say_json({"well": not worst, "findings": findings})
        sys.exit(int(worst))
    for each in findings:
        if everything or each.state != "ok":
            say(f"{_SHOWN[each.state]} {each.sentence}")
            if each.todo:
                say(f"  {each.todo}")
    fine = sum(each.state == "ok" for each in findings)
    say(f"{words.plural(fine, 'thing')} looked at and in order.")
    sys.exit(int(worst))

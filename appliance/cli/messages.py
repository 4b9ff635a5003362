"""Messages: whether they get out, and a test that takes the way that all take."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from .. import place
from ..core import words
from ..core.activity_words import MARKS
from ..core.model import Outcome
from ..screen import say, say_json
from ..system.socket import Client, WorkerAbsent
from .office import Office, json_option, main, office


@main.command(short_help="Say whether messages get out, or test it.")
@click.option("--test", "tests", is_flag=True, help="Send a test message to every address.")
@json_option
@office
def message(office: Office, tests: bool, as_json: bool) -> None:
    """Say of each address that messages go to how it does, or send a test message to all.

    A test takes the way that all messages take: by the daemon where one runs. It ends with 1 where
    an address did not take it.
    """
    told = _asked(office, tests)
    if as_json:
        say_json(told)
    else:
        for each in told:
            say(_tested(each) if tests else _shown(each))
        if not told:
            say("There is no address that messages go to: set `to` below [messages].")
    sys.exit(int(tests and not all(each["taken"] for each in told)))


def _asked(office: Office, tests: bool) -> Sequence[Mapping[str, Any]]:
    if (there := place.socket(office.path)) is not None:
        with suppress(WorkerAbsent):
            return Client(there).test_messages() if tests else Client(there).messages()
    from ..messenger import Messenger
    from ..status import health_of

    box = office.box
    messenger = Messenger(box, lambda: health_of(box.settings, box.ledger, box.clock))
    return messenger.test() if tests else messenger.facts()


def _tested(told: Mapping[str, Any]) -> str:
    if told["taken"]:
        return f"{MARKS[Outcome.OK]} {told['address']}: taken. Look whether it arrives."
    return f"{MARKS[Outcome.FAILED]} {told['address']}: {told['why']}."


def _shown(told: Mapping[str, Any]) -> str:
    took = f"last message taken {_ago(told['took'])}" if told["took"] else "nothing was sent yet"
    line = f"{told['address']}: {took}"
    if told["failing"]:
        line += f"; has taken nothing for {words.duration(_since(told['failing']))}: {told['why']}"
    if told["waiting"]:
        line += f"; {words.plural(told['waiting'], 'message')} waiting"
    return f"{line}."


def _ago(moment: str) -> str:
    return words.age(_since(moment))


def _since(moment: str) -> timedelta:
    return datetime.now(UTC) - datetime.fromisoformat(moment)

"""Signing in at a vendor's: a link or a code for a person, on a box that has no browser."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from queue import Empty
from typing import TYPE_CHECKING, Any

import click

from ..core import sign_ins as known
from ..core.activity_words import MARKS
from ..core.errors import Cancelled, SourceRefused
from ..core.model import Outcome
from ..screen import complain, say, say_json, spinning
from .office import Office, json_option, main, office, source_argument, write_down

if TYPE_CHECKING:
    from ..loopback import Landing
    from ..signing_in import Pending, SigningIn

_LOOK_EVERY_SECONDS = 0.2
_TO_END = timedelta(seconds=10)
_UNCHANGED = "Stopped. Everything is as it was."
_LANDING = (
    "The page that you land on may say that it cannot be reached: that is as it should be. "
    "Copy its whole address."
)


@main.command(short_help="Sign in at a source's vendor.")
@source_argument
@click.option(
    "--loopback",
    is_flag=True,
    help="The browser is on this machine (or comes here by ssh -L): nothing is pasted.",
)
@click.option("--port", type=click.IntRange(1, 65535), help="With --loopback: listen there.")
@click.option("--link", "by_link", is_flag=True, help="By a link also where a code would do.")
@json_option
@office
def signin(office: Office, /, source: str, as_json: bool, **how: Any) -> None:
    """Sign in at a source's vendor, once; afterwards the box does it by itself.

    Where the vendor has that, you type a code at the vendor's, on any computer or phone. Else you
    open a link there, and paste the address that you land on.
    """
    from ..signing_in import SigningIn

    name = office.settings.source_named(source).name
    signing = SigningIn()
    try:
        with _stopped_in_words():
            done = _signed_in(office, signing, name, how, as_json)
    finally:  # whoever asks on alone could store a token that somebody has just given up
        signing.leave(name, within=_TO_END)
    write_down(office, "vendor", f"Somebody signed in at the vendor of {name}.")
    _say_done(office, name, done.told, as_json)


@contextmanager
def _stopped_in_words() -> Iterator[None]:
    """Ctrl-C, and a paste that never comes, change nothing."""
    try:
        yield
    except (click.Abort, KeyboardInterrupt, EOFError):
        say()
        raise Cancelled(_UNCHANGED) from None


def _signed_in(
    office: Office, signing: SigningIn, name: str, how: Mapping[str, Any], as_json: bool
) -> Pending:
    by_link = how["by_link"] or how["loopback"]
    if how["loopback"]:
        return _at_the_loopback(office, signing, name, how["port"], as_json)
    pending = signing.begin(office.box, name, by_link=by_link)
    if pending.device is not None:
        return _typed(pending, name, as_json)
    return _pasted(office, signing, name, pending, as_json)


def _typed(pending: Pending, name: str, as_json: bool) -> Pending:
    """Wait until somebody typed the code at the vendor's."""
    shown = pending.as_json()
    if as_json:
        say_json(shown)
    else:
        say(f"Sign in at the vendor of {name}, on any computer or phone:")
        say(f"  1. Open   {shown['short_link']}")
        say(f"  2. Type   {shown['code']}")
        if shown["link"] != shown["short_link"]:
            say(f"  Or open   {shown['link']}")
    with spinning("waiting for you to say yes there", quiet=as_json):
        while pending.thread is not None and pending.thread.is_alive():
            pending.thread.join(_LOOK_EVERY_SECONDS)
    if pending.error is not None or pending.state != "done":
        raise pending.error or Cancelled(_UNCHANGED)
    return pending


def _pasted(
    office: Office, signing: SigningIn, name: str, pending: Pending, as_json: bool
) -> Pending:
    """Ask for what somebody brings back, again where it is another thing."""
    _show_link(pending, name, as_json)
    while True:
        line = _line(as_json)
        try:
            with spinning("asking the vendor", quiet=as_json):
                return signing.finish(office.box, name, line)
        except SourceRefused as error:
            if pending.state != "waiting" or not sys.stdin.isatty():
                raise
            complain(error)  # a slip of the hand


def _show_link(pending: Pending, name: str, as_json: bool) -> None:
    if as_json:
        say_json(pending.as_json())
        return
    say(f"Sign in at the vendor of {name}:")
    say("  1. Open this link, on any computer or phone, and say yes there:")
    say()
    say(str(pending.as_json()["link"]))
    say()
    say(f"  2. {_LANDING}")


def _line(as_json: bool) -> str:
    if sys.stdin.isatty() and not as_json:
        import readline  # noqa: F401 - else a terminal cuts a long line off at 4096 letters

        return str(click.prompt("  3. Paste it here"))
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line


def _at_the_loopback(
    office: Office, signing: SigningIn, name: str, port: int | None, as_json: bool
) -> Pending:
    from ..loopback import landing
    from ..sign_ins import login_of

    auth = login_of(office.settings.source_named(name))
    with landing(auth.redirect if auth else "", port) as here:
        pending = signing.begin(office.box, name, by_link=True, redirect=here.redirect)
        if as_json:
            say_json(pending.as_json())
        else:
            say(f"Sign in at the vendor of {name}: open this link in a browser on this machine.")
            say()
            say(str(pending.as_json()["link"]))
            say()
        with spinning("waiting for the browser to come back", quiet=as_json):
            line = _line_of_ours(here, str(pending.link.state if pending.link else ""))
            return signing.finish(office.box, name, line)


def _line_of_ours(here: Landing, state: str) -> str:
    """Wait for what belongs to this sign-in: others on this machine may knock, too."""
    while True:
        with suppress(Empty):
            line = here.lines.get(timeout=_LOOK_EVERY_SECONDS)
            if state in line:
                return line


def _say_done(office: Office, name: str, told: Mapping[str, Any], as_json: bool) -> None:
    from .. import sign_ins

    box = office.box
    facts = sign_ins.facts(office.settings, box.ledger, box.clock)
    fact = next(each for each in facts if each["source"] == name)
    if as_json:
        say_json({**fact, "told": told})
        return
    as_whom = f" as {told['who']}" if told.get("who") else ""
    say(f"{MARKS[Outcome.OK]} Signed in at the vendor of {name}{as_whom}.")
    for key in ("instance_url", "api_domain", "api_endpoint", "scope"):
        if told.get(key):
            say(f"  {key}: {told[key]}")
    if not told.get("proved"):
        say("  Nobody answered when the box tried it once more; it tries again within a day.")
    until = fact["until"]
    if until:
        by = known.last_day(datetime.fromisoformat(str(until)), box.zone, box.clock.now())
        say(f"  Sign in again{by}; the box says so in time.")

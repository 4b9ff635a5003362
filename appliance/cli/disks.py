"""USB disks: what is plugged in, making one ours, letting one go, taking one over."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING, Any

import click

from .. import identity, place
from ..core import words
from ..core.errors import ApplianceError, WrongDisk
from ..core.model import AttachedDisk, Progress, StepName
from ..screen import say, say_json, table, ticker
from ..system.socket import Client, WorkerAbsent
from .office import Group, Office, json_option, main, names, office

if TYPE_CHECKING:
    from ..pairing import Paired

_LOOK_EVERY_SECONDS = 0.5
_PATIENCE_SECONDS = 3600
_BROKEN = "Preparing the disk failed by a fault of the program; its log says more."


@main.group(cls=Group, short_help="USB disks: list, pair, eject.")
def disk() -> None:
    """USB disks: what is plugged in, making one ours, letting one go."""


@disk.command("list", short_help="Name every disk that is plugged in.")
@json_option
@office
def list_disks(office: Office, as_json: bool) -> None:
    """Name every disk that is plugged in, ours or not, and what is on it."""
    from ..hw import disks

    ours = _ours(office)
    found = disks.attached()
    if as_json:
        say_json([{"disk": one, "name": _name_of(one, ours)} for one in found])
        return
    rows = [(one.node, *_words(one, ours)) for one in found]
    if not rows:
        say("No disk is plugged in.")
    else:
        table(("DEVICE", "DISK", "SERIAL", "WHAT IT IS"), rows)
    plugged = {_name_of(one, ours) for one in found}
    for name in sorted(set(ours.values()) - plugged):
        say(f"{name} is not plugged in.")


def _ours(office: Office) -> Mapping[str, str]:
    """Return the names of our disks by filesystem UUID; none where nothing is configured."""
    from ..config import load

    with suppress(ApplianceError):
        settings = load(office.path, complete=False)
        return {each.disk: each.name for each in settings.repository if each.disk}
    return {}


def _name_of(one: AttachedDisk, ours: Mapping[str, str]) -> str:
    return next((ours[each.uuid] for each in one.filesystems if each.uuid in ours), "")


def _words(one: AttachedDisk, ours: Mapping[str, str]) -> tuple[str, str, str]:
    from ..hw import wording

    if name := _name_of(one, ours):
        what = f"{name} of this box"
    elif one.is_system:
        what = "what this machine runs from"
    elif one.filesystems:
        what = f"holds {wording.on_it(one)}"
    else:
        what = "empty"
    return wording.in_words(one), one.serial or "none", what


@disk.command(short_help="Make a disk a backup disk (once, as root).")
@click.argument("device", required=False)
@click.option("--name", help="What the box calls it, as disk-a.")
@click.option(
    "--erase",
    "typed",
    metavar="SERIAL",
    default="",
    help="Erase what is on it; a disk without a serial number is erased by the word ERASE.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--quick", is_flag=True, help="Try only a few places of it.")
@click.option("--requested", is_flag=True, hidden=True, help="What the worker asked for.")
@click.option("--cut-off", envvar="SERVICE_RESULT", hidden=True, help="How its unit ended.")
@json_option
@office
def pair(office: Office, /, device: str | None, as_json: bool, **how: Any) -> None:
    """Make a disk a backup disk of this box: it is erased, tried, and marked as ours.

    \b
    sudo appliance disk pair /dev/sda --name disk-a

    A disk that holds anything is refused, unless you type its serial number after --erase,
    or the word ERASE where it shows none.
    """
    from .. import pairing

    pairing.require_root()
    if how["requested"]:
        _pair_as_requested(office, how["cut_off"])
        return
    if device is None or how["name"] is None:
        raise click.UsageError("Name the device and the disk: DEVICE --name disk-a")
    if as_json and not how["yes"]:
        raise click.UsageError("A program is not asked: add --yes where it may be erased.")
    found = pairing.disk_at(device)
    if not as_json:
        _show(found)
    if not how["yes"]:
        click.confirm("Erase all of it and use it for backups?", abort=True)
    paired = _pair(office, found, how, quiet=as_json)
    if as_json:
        say_json(paired)
    else:
        _say_paired(paired)


def _show(found: AttachedDisk) -> None:
    from ..hw import wording

    say(f"{found.node}: {wording.in_words(found)}, serial {found.serial or 'none'}")
    say(f"On it: {wording.on_it(found)}.")


def _pair(office: Office, found: AttachedDisk, how: Mapping[str, Any], *, quiet: bool) -> Paired:
    """Pair a disk; somebody who sits there and is not told to keep quiet is asked for its word."""
    from ..hw.erasable import NotEmpty, word_for

    try:
        return _try(office, found, how, how["typed"], quiet=quiet)
    except NotEmpty as refusal:
        if how["typed"] or how["yes"] or not _somebody_types():
            raise
        say(refusal.message)
        wanted = f"To erase it, type {word_for(found)}"
        typed = click.prompt(wanted, default="", show_default=False)
    return _try(office, found, how, typed, quiet=quiet)


def _try(
    office: Office, found: AttachedDisk, how: Mapping[str, Any], typed: str, *, quiet: bool
) -> Paired:
    from .. import pairing

    with _bar(quiet=quiet) as on_progress:
        return pairing.pair(office.path, found, how["name"], typed, on_progress, quick=how["quick"])


def _somebody_types() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _say_paired(paired: Paired) -> None:
    if paired.warning:
        say(f"! {paired.warning}")
    say(f"{paired.name} is ready; it is used from the next backup on.")
    say(f"Print the emergency sheet now and keep it away from the box: {paired.sheet}")
    say("Without the box, the passphrase on it is the only way to your backups.")


@contextmanager
def _bar(*, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    with ticker(quiet=quiet) as sight:
        yield lambda done, total: sight.show(
            Progress(StepName.VERIFY, done, total, "places", "trying the disk")
        )


def _pair_as_requested(office: Office, cut_off: str | None) -> None:
    """Prepare exactly the disk that the worker's request names; say in a file what came of it.

    After the unit's end systemd calls once more, saying how it ended.
    """
    from .. import pairing_request

    with identity.as_writer_of(office.path):
        folder = place.runtime(place.state(office.path) or place.STATE)
    if cut_off:
        pairing_request.answer_cut_off(folder, cut_off)
        return
    ended: dict[str, object] = {"ok": False, "sentence": _BROKEN}
    try:
        wish = pairing_request.take(folder, monotonic())
        ended = {"ok": True, "sentence": _done_for(office, wish)}
    except (OSError, ValueError, KeyError, TypeError) as error:
        ended = {"ok": False, "sentence": f"The request cannot be read: {error}."}
    except ApplianceError as error:
        ended = {"ok": False, "sentence": f"{error.message} {error.hint}".strip()}
    finally:
        pairing_request.answer(folder, ended)
    say(str(ended["sentence"]))
    sys.exit(0 if ended["ok"] else 1)


def _done_for(office: Office, wish: Mapping[str, Any]) -> str:
    """Do what somebody confirmed at the button; return what came of it."""
    from .. import pairing
    from ..hw.erasable import word_for

    if "claim" in wish:  # to have held the button is all there is to it
        return "The box may be made somebody's own for five minutes."
    if "sheet" in wish:  # and so here
        return f"The sheet of {wish['sheet']} may be shown for five minutes."
    found = pairing.disk_at(str(wish["node"]))
    _require_the_same(found, wish)
    paired = pairing.pair(office.path, found, str(wish["name"]), word_for(found), lambda *_: None)
    return f"{paired.name} is ready."


def _require_the_same(found: AttachedDisk, wish: Mapping[str, Any]) -> None:
    from ..hw import wording

    seen = (found.serial, found.size_bytes, wording.on_it(found))
    if seen != (wish["serial"], wish["size_bytes"], wish["contents"]):
        raise WrongDisk("Another disk is plugged in than the one that was shown.")


@disk.command(short_help="Finish and let a disk go.")
@click.argument("name", required=False, shell_complete=names("repository"))
@json_option
@office
def eject(office: Office, name: str | None, as_json: bool) -> None:
    """Finish what runs and let a disk go (all of them where none is named).

    It is not used again until it was unplugged, somebody starts a backup, or an hour has passed.
    """
    identity.become_keeper_of(office.path)
    try:
        resting = _let_go(office, name, quiet=as_json)
    except WorkerAbsent:
        resting = _let_go_by_ourselves(office, name)
    if as_json:
        say_json({"safe_to_unplug": resting})
        return
    say(f"Safe to unplug: {words.listed(resting)}." if resting else "No disk is plugged in.")


def _let_go_by_ourselves(office: Office, name: str | None) -> list[str]:
    chosen = [name] if name else list(office.box.disks)
    for one in chosen:
        if one not in office.box.disks:
            office.settings.repository_named(one)  # no such name at all?
            raise ApplianceError(f"{one} is not on a USB disk, so it is never in the way.")
        office.box.repositories[one].release()
    busy = [one for one in chosen if not office.box.disks[one].is_at_rest()]
    if busy:
        raise ApplianceError(
            f"{words.listed(busy)} is still used by another command.",
            hint="Leave it plugged in until that has ended, then say this again.",
        )
    return [one for one in chosen if office.box.disks[one].is_present()]


def _let_go(office: Office, name: str | None, *, quiet: bool) -> list[str]:
    client = Client(office.box.socket)
    if client.eject(name) == "finishing" and not quiet:
        say("What runs is finished first …")
    pause = Event()
    for _ in range(int(_PATIENCE_SECONDS / _LOOK_EVERY_SECONDS)):
        disks: Any = client.status()["disks"]
        going = [one for one in disks if one["ejected"]]
        if all(one["at_rest"] for one in going):
            return [str(one["name"]) for one in going]
        pause.wait(_LOOK_EVERY_SECONDS)
    raise ApplianceError("The disk is still at work.", hint="Leave it plugged in.")


@main.command(short_help="Take the disk of a box that is gone over (as root).")
@click.option("--from", "device", required=True, metavar="DEVICE", help="Where the disk is.")
@click.option("--name", default="", help="What this box calls it; left out, as it was called.")
@click.option("--passphrase-file", type=click.Path(dir_okay=False, exists=True, path_type=Path))
@json_option
@office
def recover(
    office: Office, device: str, name: str, passphrase_file: Path | None, as_json: bool
) -> None:
    """Take the disk of a box that is gone over, with all its backups; nothing is erased.

    The passphrase stands on the emergency sheet.
    """
    from .. import pairing
    from ..hw.pairing import mark_on

    pairing.require_root()
    found = pairing.disk_at(device)
    found_mark = mark_on(found)
    name = name or (found_mark.mark.name if found_mark else "disk-a")
    if passphrase_file is not None:
        passphrase = _passphrase_in(passphrase_file)
    else:
        passphrase = click.prompt("Passphrase, as on the emergency sheet", hide_input=True)
    paired = pairing.recover(office.path, found, name, passphrase)
    if as_json:
        say_json(paired)
        return
    say(f"{paired.name} belongs to this box now. `appliance archives` lists what is on it.")


def _passphrase_in(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ApplianceError(
            f"{file} cannot be read as text.",
            hint="It holds the passphrase alone.",
            detail=str(error),
        ) from error

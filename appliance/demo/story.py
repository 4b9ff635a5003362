"""The demo's story, told with the real commands: set up, three days, a loss, and the proof."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ..cli import main
from ..core import words
from ..core.errors import ApplianceError
from ..screen import say
from ..system.clock import SystemClock
from . import page, panel
from .crm import Change
from .office import Office, office

DAYS = 3
_A_DAY_LASTS = timedelta(minutes=5)
_SOURCES = ("crm-nightly", "site-export")


def play(folder: Path | None, *, once: bool) -> int:
    """Show the whole box in a folder (`demo` unless named); return the exit code.

    With `once` it ends after the proof, otherwise it stays as the running daemon.
    """
    # A shell ignores SIGINT for what it starts in the background, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    first_day = datetime.now(UTC).date() - timedelta(days=DAYS - 1)
    with office(folder or Path("demo"), first_day) as here:
        # Some tools make folders in HOME merely by being asked their version.
        os.environ["HOME"] = str(here.folder / "home")
        story = Story(here)
        story.introduce()
        story.set_up()
        early = story.live_three_days()
        if not story.lose_and_find(early):
            return 1
        story.appliance("status")
        story.explain_the_clock()
        return 0 if once else story.stay()


@dataclass(frozen=True, slots=True)
class Early:
    """How the first day looked: what the proof is held against."""

    backed_up: datetime
    contacts_sha256: str


class Story:
    """Tells it, step by step, to whoever watches the terminal."""

    def __init__(self, here: Office) -> None:
        self._here = here

    def introduce(self) -> None:
        """Say what stands where."""
        here = self._here
        _title("A small office, and a box that keeps its records safe")
        say(f"Everything lies in {here.folder}; nothing else is touched.")
        say(f"  The CRM's SFTP server   {here.sftp_server.host}:{here.sftp_server.port} (OpenSSH)")
        say(f"  The website's export    {here.web_server.url('/')} (nginx, TLS)")
        say(f"  The cloud               {here.cloud.endpoint} (S3)")
        say("  Two disks               disk-a and disk-b, one encrypted copy on each")

    def set_up(self) -> None:
        """Do what a person does once."""
        _title("Set up, once")
        self.must("check")
        for name in ("disk-a", "disk-b"):
            self.must("init", name)
        self.must("trust", "crm-nightly", "--yes")
        expected = self._here.sftp_server.host_key.fingerprint
        say(f"(The server's own key file says {expected}.)")

    def live_three_days(self) -> Early:
        """Back up three days; return how the first one looked."""
        self._day(1, {})
        early = Early(datetime.now(UTC), self._contacts_sha256())
        # Backups are dated in whole seconds: day 2 must not begin in the one that day 1 ended in.
        threading.Event().wait(1 - early.backed_up.microsecond / 1e6)
        for number in range(2, DAYS + 1):
            self._day(number, self._here.advance())
        return early

    def lose_and_find(self, early: Early) -> bool:
        """Lose everything on the server, get it back twice over; return whether it is the same."""
        _title("A bad morning: the export is deleted, and day 1 is wanted back")
        lost = self._here.exports / "Data_001.zip"
        before = _sha256(lost.read_bytes())
        lost.unlink()
        say(f"Deleted on the server: {lost.name} (SHA-256 {before[:16]}…)")
        whole, day_1 = self._here.folder / "restored", self._here.folder / "restored-day-1"
        self.must("restore", "crm-nightly", "--original", "--to", str(whole))
        moment = early.backed_up.isoformat(timespec="seconds")
        asked = ("--at", moment, "--table", "Contacts", "--from-mirror", "cloud")
        self.must("restore", "crm-nightly", *asked, "--to", str(day_1))
        return all(
            (
                _proved(
                    "the vendor's own file, byte for byte, from a disk", whole, "*.zip", before
                ),
                _proved(
                    "the contacts of day 1, from the cloud", day_1, "*.csv", early.contacts_sha256
                ),
            )
        )

    def explain_the_clock(self) -> None:
        """Say why a box on a machine that nobody gives the time calls itself waiting."""
        if not SystemClock().is_synchronised():
            say("(No time service sets this machine's clock. A box backs up all the same, but does")
            say(" not call itself safe and removes nothing until it is sure of the date.)")

    def stay(self) -> int:
        """Put the export back and stay as the daemon, while the office works on."""
        self._here.deliver()
        _title("The box stays, and backs up every five minutes while the office works on")
        say(f"In another terminal:  export APPLIANCE_CONFIG={self._here.config}")
        say("                      appliance status; appliance history; appliance run")
        closed = threading.Event()
        worker = threading.Thread(target=self._work_on, args=(closed,), daemon=True)
        worker.start()
        try:
            with (
                panel.shown(self._here.config) as board,
                page.served(self._here.config, board) as shown,
            ):
                _introduce(shown)
                return self.appliance("daemon")
        finally:
            closed.set()
            worker.join()

    def must(self, *arguments: str) -> None:
        """Run one of our commands; raise ApplianceError where it fails."""
        if self.appliance(*arguments):
            raise ApplianceError("The demo stops here, because that command failed.")

    def appliance(self, *arguments: str) -> int:
        """Run one of our commands as a person would, and return its exit code."""
        say(f"\n$ appliance {' '.join(arguments)}")
        given = ["--config", str(self._here.config), *arguments]
        try:
            main.main(given, prog_name="appliance", standalone_mode=False)
        except SystemExit as ended:
            return ended.code if isinstance(ended.code, int) else 1
        return 0

    def _day(self, number: int, changes: Mapping[str, Change]) -> None:
        _title(f"Day {number}, {self._here.crm.day:%A %d %B %Y}")
        for line in _told(changes):
            say(line)
        self.must("run", *_SOURCES)

    def _contacts_sha256(self) -> str:
        return _sha256(b"".join(self._here.crm.table("Contacts").lines()))

    def _work_on(self, closed: threading.Event) -> None:
        while not closed.wait(_A_DAY_LASTS.total_seconds()):
            self._here.advance()


def _introduce(shown: page.Page) -> None:
    say(f"The page:             {shown.address}")
    say(f"         password:    {shown.password}")
    say("Your browser warns, for nobody but the box vouches for its certificate: go on.")
    say("Lamps and button are on the page, and in the last line of a terminal like this one.")
    say("Ctrl-C ends it, and everything that it started.")


def _told(changes: Mapping[str, Change]) -> list[str]:
    if not changes:
        return ["The CRM delivers its first export."]
    return [
        f"  {name}: {change.added} added, {change.changed} changed, {change.removed} removed"
        for name, change in changes.items()
    ]


def _proved(what: str, folder: Path, pattern: str, sha256: str) -> bool:
    """Compare the one file that came back with what it was, and say so."""
    found = [path for path in folder.rglob(pattern) if path.is_file()]
    same = [path for path in found if _sha256(path.read_bytes()) == sha256]
    if same:
        say(f"✓ Proved: {what}: SHA-256 {sha256[:16]}… ({words.size(same[0].stat().st_size)})")
    else:
        names = ", ".join(os.fspath(path.relative_to(folder)) for path in found) or "nothing"
        say(f"✗ Not the same: {what}; {names} came back.")
    return bool(same)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _title(text: str) -> None:
    say(f"\n── {text} " + "─" * max(0, 76 - len(text)))

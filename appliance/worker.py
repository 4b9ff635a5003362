"""The worker as everybody asks it: what runs and waits, how things stand, which disks are here.

Part of the rim. Edge threads only enqueue; one thread works.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from . import __version__, activity, data_protection, deciding, pasted, sign_ins
from .attendance import Attendance
from .audit import Audit
from .box import Box
from .caretaker import Caretaker
from .changing.desk import Desk
from .changing.trials import Trials
from .config import Settings
from .core.errors import ApplianceError, ConfigError, Problem
from .core.model import Run, Trigger
from .core.ports import Download, Mirror, Repository, Source
from .core.schedule import Schedule, parse
from .core.signals import Reason
from .core.vitals import as_json
from .days import days_of
from .engine import drill, erasing, examination, mirroring, pipeline
from .engine.news import News
from .engine.pulse import Pulse
from .engine.restore import CloudCopy
from .engine.rotation import lacking_on
from .engine.runner import Current, Runner, Work
from .engine.ticker import Ticker
from .first_run import FirstRun
from .giving_back.backups import listed
from .giving_back.opened import OpenedBackups
from .giving_back.sought import SoughtRecords
from .messenger import Messenger
from .pairing_request import PairingRequest, is_enrolling
from .signing_in import SigningIn
from .status import health_of
from .vitals import with_vitals

log = logging.getLogger("appliance")

_MOVED = (
    "the box works in another folder until it is started anew: "
    "`sudo systemctl restart appliance-worker`"
)
_BY_A_PERSON = (Trigger.BUTTON, Trigger.PAGE, Trigger.COMMAND)


class Engine:
    """The engine in this process, as a `core.ports.Appliance`.

    With another configuration it is another engine, which goes on where the one `before` ended.
    """

    def __init__(
        self,
        box: Box,
        load: Callable[[], Settings] | None = None,
        before: Engine | None = None,
        file: Path | None = None,
    ) -> None:
        self._box = box
        self._load = load or (lambda: box.settings)
        self.next_settings: Settings | None = None
        """What `reload` read, until somebody takes it over."""
        self.news: News = before.news if before else News(box.clock.monotonic)
        self.desk: Desk = before.desk if before else Desk(file, box)
        self.trials: Trials = before.trials if before else Trials(self.desk)
        self.signing_in: SigningIn = before.signing_in if before else SigningIn(self._has_signed_in)
        self.desk.tidy(box.settings)
        self.pulse = Pulse(box.clock.monotonic)
        box.bulletin.subscribe(self.news.hear)
        self.jobs = jobs_of(box)
        self.runner = Runner(box.kit, self.jobs)
        self.ticker = Ticker(box.kit, schedules_of(box), self.runner.submit, self.pulse.ticked)
        self.attendance = Attendance(box, self._arrived, self.news.changed)
        self.audit_trail = Audit(box.ledger, box.clock)
        self.caretaker = Caretaker(box, self.runner, self.news.changed)
        self.request: PairingRequest = (
            before.request
            if before
            else PairingRequest(box.runtime, box.clock.monotonic, self.news.changed)
        )
        self.opened_backups: OpenedBackups = before.opened_backups if before else OpenedBackups(box)
        box.bulletin.subscribe(self.opened_backups.hear)
        self.searches: SoughtRecords = (
            before.searches if before else SoughtRecords(box, self._let_go)
        )
        self.beginning = FirstRun(box, self.request, self.desk.file)
        box.bulletin.subscribe(self.caretaker.hear)
        self.messenger: Messenger = before.messenger if before else Messenger(box, self.status)
        box.bulletin.subscribe(self.messenger.hear)
        if before:
            self.messenger.go_on_with(box, self.status)
            self.opened_backups.go_on_with(box)
            self.searches.go_on_with(box, self._let_go)
            self.attendance.go_on_from(before.attendance, self._disks_also_in(before))
            self.runner.park(before.runner.parked())

    def _disks_also_in(self, before: Engine) -> frozenset[str]:
        """Return the names that mean the same disk in both configurations."""
        then, now = (
            {(each.name, each.disk) for each in box.settings.repository if each.disk}
            for box in (before._box, self._box)
        )
        return frozenset(name for name, _ in then & now)

    def take_over(self, before: Engine) -> None:
        """Do what waits in another engine, as far as there are such jobs; who was let go there
        until a moment ago is let go.
        """
        self.attendance.let_go_as(before.attendance, self._disks_also_in(before))
        for each in before.runner.waiting():
            if each.job in self.jobs:
                self.runner.submit(each.job, each.trigger, each.slot)
        self.news.changed()

    def look_after_the_machine(self) -> None:
        """Look at power and inboxes now and then, at backups that nobody looks at any more, and at
        what became of a pairing.
        """
        self.caretaker.look()
        self.audit_trail.look()
        self.opened_backups.tidy()
        self.searches.tidy()
        if self.request.look():
            self._note_pairing()
            self.reload_if_changed()

    def _note_pairing(self) -> None:
        words = str((self.request.facts() or {}).get("answer", ""))
        try:
            self.audit_trail.note("pairing", words, trigger=Trigger.BUTTON)
        except ApplianceError as error:
            log.warning("pairing=not-noted %s", error.message)

    def reload_if_changed(self) -> None:
        """Have a configuration that differs taken over; one that is wrong is refused, and status
        says why.
        """
        with suppress(ConfigError):
            settings = self.desk.judge(self._read)
            self.next_settings = settings if settings != self._box.settings else None
        self.news.changed()

    def _read(self) -> Settings:
        """Raise ConfigError where it is wrong, or moves what this worker alone holds: its state."""
        settings = self._load()
        if settings.state != self._box.settings.state:
            raise ConfigError([Problem("appliance.state", _MOVED)])
        return settings

    def beat(self) -> bool:
        """Return whether ticker and worker move; what systemd and the lamps are told."""
        return self.pulse.beat(self.runner.moved())

    def gives_way(self) -> bool:
        """Return whether there is another configuration, and this is the moment to take it over:
        not while a disk that stands in it is still being made the box's own.
        """
        waits = self.next_settings is not None and not self.is_at_work()
        return waits and not is_enrolling(self._box.state)

    def is_at_work(self) -> bool:
        """Return whether a Run, or what comes before one, is at work."""
        return self.runner.moved() is not None

    def status(self) -> Mapping[str, object]:
        """Return how things stand, and what runs and waits."""
        box, current = self._box, self.runner.current()
        queue, parked = self.runner.waiting(), self.runner.parked()
        waiting = [each.job for each in queue]
        # What lacks a disk is tried again too, but it is a person who has to plug it in.
        retrying = [each.job for each in queue if each.attempt > 1 and each.job not in parked]
        facts = health_of(
            box.settings,
            box.ledger,
            box.clock,
            running=current.job if current else None,
            waiting=waiting,
            retrying=retrying,
            away=self.attendance.away(),
        )
        signed_in = sign_ins.facts(box.settings, box.ledger, box.clock)
        of_vendors = sign_ins.vitals(signed_in, box.settings, box.clock.now())
        of_others = (*of_vendors, self.audit_trail.vital(), *self.messenger.vitals())
        vitals = (*self.caretaker.read(), *of_others)
        restless = not self.is_at_work() and self.attendance.restless()
        return {
            **facts,
            "reasons": with_vitals(facts["reasons"], vitals, [Reason.DISK] if restless else []),
            "vitals": [as_json(each) for each in vitals],
            "sign_ins": signed_in,
            "pairing": self.request.facts(),
            "configuration": [str(each) for each in self.desk.problems],
            "version": self.news.version,
            "alive_seconds": self.pulse.seconds(),
            "running": _running(current, box.clock.monotonic()),
            "ended": _ended(self.news.ended),
            "box": {
                "name": box.settings.appliance.name,
                "timezone": box.settings.appliance.timezone,
                "release": __version__,
            },
            "waiting": waiting,
            "disks": self.attendance.facts(),
            "ejected": self.attendance.ejected(),
        }

    def days(self, count: int) -> Sequence[Mapping[str, object]]:
        """Return how the newest local days went, today first."""
        return days_of(self._box.settings, self._box.ledger, self._box.clock, count)

    def follow(
        self, version: int, seconds: float, panel: Mapping[str, object] | None = None
    ) -> Mapping[str, object]:
        """Return the status once it is another than that version, or after `seconds`; whoever is
        the panel says how it is.
        """
        if panel is not None:
            self.caretaker.hear_panel(panel)
        self.news.wait(version, seconds)
        return self.status()

    def note(self, what: str, words: str, went_well: bool = True) -> None:
        """Write down what somebody did on the page; Activity shows it beside the Runs."""
        self.audit_trail.note(what, words, went_well)

    def activity(
        self, about: str = "", outcome: str = "", before: int | None = None, limit: int = 50
    ) -> Mapping[str, object]:
        """Return a page of what was done, newest first."""
        box, trail = self._box, {"trail": self.audit_trail.fault or ""}
        found = activity.page(box.ledger, box.settings, about, outcome, before=before, limit=limit)
        return found | trail

    def run(self, run_id: int) -> Mapping[str, object]:
        """Return one Run whole, and how far it is."""
        current = self.runner.current()
        under_way = {current.job: current.progress} if current else {}
        return activity.whole(self._box.ledger, self._box.settings, run_id, under_way)

    def audit(self) -> Mapping[str, object]:
        """Prove the trail of what people did now."""
        return {"trail": self.audit_trail.prove()}

    def backups(self, source: str | None = None) -> Mapping[str, object]:
        """Return which backups of a source there are."""
        return listed(self._box, source, self.attendance.away())

    def open_backup(self, source: str, name: str, who: str, cloud: str = "", only: str = "") -> str:
        """Rebuild a backup so that it can be looked at; return its ticket."""
        return self.opened_backups.open(source, name, who, self.attendance, cloud, only)

    def opened(self, ticket: str) -> Mapping[str, object]:
        """Return how far an opened backup is and what is in it."""
        return self.opened_backups.facts(ticket)

    def close_backup(self, ticket: str) -> None:
        """Wipe an opened backup."""
        self.opened_backups.close(ticket)

    def rows(self, ticket: str, file: int, count: int) -> Mapping[str, object]:
        """Return the first records of a file of an opened backup."""
        return self.opened_backups.rows(ticket, file, count)

    def find(self, ticket: str, text: str, file: int = 0, place: int = 0) -> Mapping[str, object]:
        """Look for a text in an opened backup."""
        return self.opened_backups.find(ticket, text, file, place)

    def seek(self, source: str, text: str, who: str) -> str:
        """Look for records in all backups of a source; return the search's ticket."""
        return self.searches.seek(source, text, who)

    def sought(self, ticket: str) -> Mapping[str, object]:
        """Return how far a search is and what it found."""
        return self.searches.facts(ticket)

    def download(
        self, ticket: str, what: str, file: int = 0, place: int = 0, text: str = ""
    ) -> Download:
        """Return something of an opened backup, or a record that was found, to take home."""
        if what == "record":
            return self.searches.download(ticket, file)
        return self.opened_backups.download(ticket, what, file, place, text)

    def start(self, source: str, trigger: Trigger) -> str:
        """Ask for a Run; raise ApplianceError where there is no such source."""
        if source not in self.jobs:
            raise ApplianceError(f"There is no source named {source}.")
        if trigger in _BY_A_PERSON:
            self.attendance.take_back()
        return self.runner.submit(source, trigger)

    def fetch_link(self, source: str, link: str, trigger: Trigger) -> str:
        """Put a download link into an inbox, and ask for a Run; the link is noted nowhere."""
        box = self._box
        host = pasted.take(box.settings, source, link, box.clock.now())
        words = f"A download link to {host} was given to {source}."
        self.audit_trail.note("link", words, trigger=trigger)
        return self.start(source, trigger)

    def cancel(self, source: str) -> bool:
        """Cancel a waiting or running Run."""
        return self.runner.cancel(source)

    def held(self) -> Sequence[Mapping[str, object]]:
        """Return the exports that wait for a person."""
        return deciding.facts(self._box)

    def decide(self, archive: str, is_right: bool, reason: str) -> None:
        """Take a person's word on a held export."""
        deciding.say(self._box, archive, reason, Trigger.PAGE, is_right=is_right)
        self.news.changed()

    def eject(self, disk: str | None = None) -> str:
        """Let a disk, or all of them, go; what runs is finished first."""
        self.attendance.let_go(disk)
        return "finishing" if self.is_at_work() else "released"

    def pair(self, node: str, name: str) -> str:
        """Ask root to prepare a disk, once the button was held."""
        return self.request.make(node, name, self._box.repositories)

    def first_run(self) -> Mapping[str, object]:
        """Return how far the first run is."""
        return self.beginning.facts()

    def name_the_box(self, name: str, timezone: str) -> None:
        """Write name and time zone down, and go by them."""
        self.beginning.name_the_box(name, timezone)
        self.note("settings", f"Name and time zone: {name}, {timezone}.")
        self.reload_if_changed()

    def ask_to_claim(self, who: str) -> str:
        """Ask whether the box may be theirs; the button says yes."""
        return self.beginning.ask_to_claim(who)

    def claimed(self, who: str) -> str:
        """Return what the button said."""
        return self.request.claimed(who)

    def ask_for_sheet(self, repository: str) -> str:
        """Ask whether a sheet may be shown; the button says yes."""
        return self.beginning.ask_for_sheet(repository)

    def sheet(self, repository: str) -> Mapping[str, object]:
        """Return what an emergency sheet says, and write down that it was shown."""
        shown = self.beginning.sheet(repository)
        self.note("sheet", f"The emergency sheet of {repository} was shown.")
        return shown

    def confirm_sheet(self, repository: str, words: Sequence[str]) -> bool:
        """Return whether the words are right; write down what came of it."""
        right = self.beginning.confirm_sheet(repository, words)
        said = "was checked: it is printed" if right else "was not known by its words"
        self.note("sheet", f"The emergency sheet of {repository} {said}.", went_well=right)
        return right

    def reload(self) -> str:
        """Read the configuration anew, to be taken over once nothing runs.

        Raise ConfigError where it is wrong, or moves what this worker alone holds: its state.
        """
        self.next_settings = self.desk.judge(self._read)
        return "after what runs" if self.is_at_work() else "now"

    def settings(self) -> Mapping[str, object]:
        """Return what an office may change, and how sign-ins at vendors stand."""
        box = self._box
        told = sign_ins.facts(box.settings, box.ledger, box.clock)
        return {**self.desk.facts(box.settings), "sign_ins": told}

    def data_protection(self) -> Mapping[str, object]:
        """Return what the data-protection sheet says now."""
        box = self._box
        sheet = data_protection.data_sheet(box.settings, box.ledger, box.clock)
        return data_protection.facts(sheet)

    def preview_settings(
        self, section: str, name: str, wish: Mapping[str, str] | None
    ) -> Mapping[str, object]:
        """Return what a wish would change, and all that is wrong with it."""
        box = self._box
        return self.desk.preview(section, name, wish, box.ledger, box.clock.now())

    def change_settings(
        self, section: str, name: str, wish: Mapping[str, str] | None, stamp: str
    ) -> Mapping[str, object]:
        """Save a wish, and have it taken over once nothing runs."""
        told = self.desk.change(section, name, wish, stamp)
        return {**told, "in_use": self.reload()} if told["saved"] else told

    def put_secret(self, value: str) -> str:
        """Keep a secret that was typed, in memory alone, until it is saved."""
        return self.desk.drafts.keep(value)

    def try_source(self, name: str, wish: Mapping[str, str]) -> Mapping[str, object]:
        """Return who answers at a source, and what would be taken."""
        return self.trials.source(self._box, name, wish)

    def trust_source(self, name: str, wish: Mapping[str, str], fingerprint: str) -> str:
        """Believe a server's key from now on, if it still shows that one."""
        return self.trials.confirm(self._box, name, wish, fingerprint)

    def try_cloud(self, name: str, wish: Mapping[str, str]) -> Mapping[str, object]:
        """Return whether a cloud takes and keeps a small object of ours."""
        return self.trials.cloud(self._box, name, wish)

    def sign_in(self, source: str) -> Mapping[str, object]:
        """Return how a source's sign-in stands, and how far one that is under way is."""
        box = self._box
        told = sign_ins.facts(box.settings, box.ledger, box.clock)
        found = next((each for each in told if each["source"] == source), None)
        if found is None:
            raise ApplianceError(f"There is no source named {source} that signs in anywhere.")
        pending = self.signing_in.pending(box, source)
        return {**found, "pending": pending.as_json() if pending else None}

    def begin_sign_in(self, source: str) -> Mapping[str, object]:
        """Make the link, or have the code made, with which somebody signs in."""
        self.signing_in.begin(self._box, source)
        return self.sign_in(source)

    def finish_sign_in(self, source: str, line: str) -> Mapping[str, object]:
        """Get the token for what somebody pasted, and prove it."""
        self.signing_in.finish(self._box, source, line)
        return self.sign_in(source)

    def leave_sign_in(self, source: str) -> None:
        """Give a sign-in up that is under way."""
        self.signing_in.leave(source)

    def _has_signed_in(self, source: str) -> None:
        with suppress(ApplianceError):  # it is signed in all the same
            self.note("vendor", f"Somebody signed in at the vendor of {source}.")
        self.news.changed()

    def messages(self) -> Sequence[Mapping[str, object]]:
        """Return how each address for messages does."""
        return self.messenger.facts()

    def test_messages(self) -> Sequence[Mapping[str, object]]:
        """Send a test message to every address, those too that were saved a moment ago."""
        told = self.messenger.test((self.next_settings or self._box.settings).messages.to)
        self.news.changed()
        return told

    def _let_go(self) -> frozenset[str]:
        return frozenset(self.attendance.let_go_until())

    def _arrived(self, disk: str) -> None:
        sources = [each.name for each in self._box.settings.source]
        self.runner.disk_arrived(disk, lacking_on(self._box.kit, disk, sources))


def _running(current: Current | None, now: float) -> dict[str, object] | None:
    if current is None:
        return None
    rest = current.left(now)
    return {
        "job": current.job,
        "started": current.started.isoformat(),
        "progress": asdict(current.progress) if current.progress else None,
        "left_seconds": round(rest.total_seconds()) if rest is not None else None,
        "stopping": current.cancel.is_set(),
    }


def _ended(run: Run | None) -> dict[str, object] | None:
    if run is None or run.outcome is None or run.finished is None:
        return None
    return {
        "job": run.source,
        "outcome": str(run.outcome),
        "message": run.message,
        "hint": run.hint,
        "finished": run.finished.isoformat(),
    }


def jobs_of(box: Box) -> dict[str, Work]:
    """What can be asked for: each source by its name, each mirror as `mirror:NAME`, and the
    test restore from each place as `drill:NAME`; reading a whole repository is `check:NAME`,
    erasing from the backups of a source what was asked for `erase:NAME`.
    """

    def back_up(source: Source) -> Work:
        return lambda trigger, watch, slot: pipeline.back_up(source, trigger, box.kit, watch, slot)

    def erase(name: str) -> Work:
        return lambda trigger, watch, slot: erasing.erase(name, trigger, box.kit, watch, slot)

    def push(mirror: Mirror) -> Work:
        return lambda trigger, watch, slot: mirroring.bring_up_to_date(
            mirror, trigger, box.kit, watch, slot
        )

    jobs = {name: back_up(source) for name, source in box.sources.items()}
    jobs |= {mirroring.job_name(name): push(each) for name, each in box.mirrors.items()}
    jobs |= {erasing.job_name(name): erase(name) for name in box.sources_ever}
    return jobs | _drills(box) | _examinations(box)


def _examinations(box: Box) -> dict[str, Work]:
    def of(name: str) -> Work:
        return lambda _, watch, __: examination.examine(name, box.kit, watch)

    return {examination.job_name(name): of(name) for name in box.repositories}


def _drills(box: Box) -> dict[str, Work]:
    def from_repository(name: str) -> Work:
        return lambda trigger, watch, slot: drill.drill(name, trigger, box.kit, watch, slot)

    def from_mirror(name: str) -> Work:
        return lambda trigger, watch, slot: drill.drill_mirror(
            cloud_copy(box, name), trigger, box.kit, watch, slot
        )

    drills = {drill.job_name(name): from_repository(name) for name in box.repositories}
    return drills | {drill.job_name(name): from_mirror(name) for name in box.mirrors}


def cloud_copy(box: Box, mirror: str) -> CloudCopy:
    """Given a mirror's name, return it with how it is opened once it is fetched."""
    section = box.settings.mirror_named(mirror)

    def opened(place: Path) -> Repository:
        return box.read_only(section, place, place.with_name("borg"))

    return CloudCopy(box.mirrors[section.name], opened)


def schedules_of(box: Box) -> dict[str, Schedule]:
    """What comes due by the clock: sources, mirrors, and test restores at fixed times."""
    sources = {each.name: parse(each.schedule) for each in box.settings.source}
    mirrors = {mirroring.job_name(each.name): parse(each.schedule) for each in box.settings.mirror}
    first = [drill.job_name(each.name) for each in box.settings.repository[:1]]
    clouds = [drill.job_name(each.name) for each in box.settings.mirror]
    monthly, quarterly = parse(drill.OF_THE_FIRST_REPOSITORY), parse(drill.OF_EACH_MIRROR)
    drills = dict.fromkeys(first, monthly) | dict.fromkeys(clouds, quarterly)
    return sources | mirrors | drills

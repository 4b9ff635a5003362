"""Offices in every state that the page must show, judged by the real Health from a fake ledger."""

from __future__ import annotations

from datetime import datetime, timedelta

from appliance.config import parse
from appliance.core import vitals
from appliance.core.model import Archive, Copy, Outcome, Trigger
from appliance.core.vitals import Card, Memory, Power, SystemDisk
from appliance.engine import memory
from appliance.status import health_of
from appliance.vitals import with_vitals
from tests.fakes import FakeClock, FakeLedger

SOURCE = """
[[source]]
name = "{name}"
type = "inbox"
path = "/srv/{name}"
schedule = "daily at 03:00"
"""
DISK = """
[[repository]]
name = "disk-{letter}"
disk = "{letter}f0c7a7e-2c1b-4d3a-9f60-0d9a5f1c2b3d"
passphrase = "${{secret:disk-{letter}}}"
"""
CLOUD = """
[[mirror]]
name = "cloud"
repository = "disk-a"
remote = "/cloud"
"""
HOUR = timedelta(hours=1)
BOX = {"name": "Front office", "timezone": "Europe/Berlin", "release": "0.1.0"}
OF_EACH_DAY = ("copied", "unchanged", "late", "failed", "held", "none", "open")


class Office:
    """A configuration, what the ledger knows, and the machine; `facts` is what the worker says."""

    def __init__(self, sources=("crm",), disks="ab", cloud=True):
        text = '[appliance]\ntimezone = "Europe/Berlin"\n'
        text += "".join(SOURCE.format(name=name) for name in sources)
        text += "".join(DISK.format(letter=letter) for letter in disks)
        text += CLOUD if cloud else ""
        self.settings = parse(text, complete=False)
        self.ledger, self.clock = FakeLedger(), FakeClock()
        self.sources, self.cloud = sources, cloud
        self.letters = disks
        self.more, self.vitals, self.away = {}, well(), set()

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def copied(self, ago=6 * HOUR, places=("disk-a", "cloud"), sources=None):
        for source in sources or self.sources:
            time = (self.now - ago).replace(microsecond=0)
            name = Archive.name_for(source, time)
            for place in places:
                self.ledger.add_copy(Copy(name, source, place, time, self.now))
            self.ran(Outcome.OK, ago, source, name, "105.0 MB kept, 0.4 MB new.")
        return self

    def ran(self, outcome, ago=6 * HOUR, source="crm", archive="", message="", **more):
        run = self.ledger.begin(source, Trigger.SCHEDULE, self.now - ago)
        ended = self.now - ago + timedelta(minutes=2)
        self.ledger.finish(run.id, outcome, ended, archive=archive, message=message, **more)
        return self

    def running(self, done=37_000_000, total=105_000_000, left=118, job="crm", **more):
        progress = {"step": "archive", "done": done, "total": total, "unit": "bytes", "note": ""}
        started = (self.now - timedelta(seconds=75)).isoformat()
        running = {"job": job, "started": started, "progress": progress, "left_seconds": left}
        self.more["running"] = running | {"stopping": False} | more
        return self

    def machine(self, *found):
        self.vitals = [*found, *well()[len(found) :]]
        return self

    def says(self, **more):
        self.more |= more
        return self

    @property
    def facts(self):
        running = self.more.get("running")
        health = health_of(
            self.settings,
            self.ledger,
            self.clock,
            running=running["job"] if running else None,
            waiting=self.more.get("waiting", ()),
            away=self.away,
        )
        told = {
            "reasons": with_vitals(health["reasons"], self.vitals),
            "vitals": [vitals.as_json(each) for each in self.vitals],
            "pairing": None,
            "alive_seconds": 0.5,
            "running": None,
            "waiting": [],
            "ended": None,
            "box": BOX,
            "disks": [self._disk(f"disk-{letter}") for letter in self.letters],
            "ejected": False,
        }
        return health | told | self.more

    def _disk(self, name):
        is_here = name not in self.away
        newest = [copy.time for copy in self.ledger.copies() if copy.place == name]
        return {
            "name": name,
            "present": is_here,
            "in_use": is_here and bool(self.more.get("running")),
            "at_rest": is_here and not self.more.get("running"),
            "ejected": False,
            "problem": "",
            "away_since": None if is_here else (self.now - timedelta(days=5)).isoformat(),
            "newest": max(newest).isoformat() if newest else None,
            "size_bytes": 10**12,
            "free_bytes": 4 * 10**11,
            "weeks_left": 61,
        }


def well():
    power = Power(low_now=False, low_before=False, slowed_now=False)
    return [
        vitals.power(power),
        vitals.temperature(51.0, power),
        vitals.memory(Memory(10**9, 6 * 10**8)),
        vitals.system_disk(SystemDisk(20 * 10**9, 32 * 10**9)),
        vitals.clock(trusted=True),
        vitals.card(Card("SD", 20, 1)),
    ]


def days(now, states=OF_EACH_DAY, count=30):
    """The last days as the worker tells them, today first."""
    return [
        {
            "date": (now.date() - timedelta(days=back)).isoformat(),
            "state": states[back % len(states)],
            "sentence": f"It was {states[back % len(states)]}.".replace("none", "quiet"),
            "runs": {"crm": {"ok": 1}},
        }
        for back in range(count)
    ]


def away(office, name="disk-b"):
    office.away = {name}
    return office


def untrusted(office):
    office.clock.synchronised = False
    return office


def released(office):
    facts = office.facts["disks"]
    facts[0] |= {"ejected": True}
    return office.says(disks=facts, ejected=True)


def stopped(office):
    finished = (office.now - timedelta(seconds=5)).isoformat()
    said = "Stopped because somebody asked for it."
    facts = {"job": "crm", "outcome": "cancelled", "message": said, "hint": ""}
    return office.says(ended=facts | {"finished": finished})


def damaged(office):
    memory.mark_damaged(office.ledger, "disk-a", "it rotted")
    return office


OFFICES = {
    "safe": lambda: Office().copied(),
    "two sources": lambda: Office(("crm", "site")).copied(),
    "running": lambda: Office().copied().running(),
    "running, nobody knows how far": lambda: Office().copied().running(total=None, left=None),
    "being stopped": lambda: Office().copied().running(stopping=True),
    "waiting": lambda: Office(("crm", "site")).copied().running().says(waiting=["site"]),
    "a test restore": lambda: Office().copied().running(job="drill:disk-a"),
    "sending": lambda: Office().copied().running(job="mirror:cloud").says(waiting=["check:disk-a"]),
    "failed": lambda: (
        Office()
        .copied(30 * HOUR)
        .ran(
            Outcome.FAILED,
            message="The server at crm.example.org did not answer.",
            hint="Check that the box is connected to the internet.",
            faults=["SourceUnreachable"],
        )
    ),
    "held": lambda: (
        Office()
        .copied(30 * HOUR)
        .ran(
            Outcome.HELD,
            archive="crm-2026-11-21T02:00:00Z",
            message="Only 3 of 14,000 contacts came.",
        )
    ),
    "overdue": lambda: Office().copied(50 * HOUR),
    "unchanged": lambda: Office().copied(60 * HOUR).ran(Outcome.SKIPPED, archive=""),
    "the first is awaited": Office,
    "nothing is set up": lambda: Office((), disks="", cloud=False),
    "no disks": lambda: Office(disks="").copied(places=()),
    "no cloud": lambda: Office(cloud=False).copied(places=("disk-a", "disk-b")),
    "a disk is away": lambda: away(Office().copied()),
    "the disk is asked for": lambda: away(Office().copied()).says(
        reminder="Today the disks change: bring disk-b and plug it in."
    ),
    "let go": lambda: released(Office().copied()),
    "no time": lambda: untrusted(Office().copied()),
    "damaged": lambda: damaged(Office().copied()),
    "weak power": lambda: Office().copied().machine(vitals.power(Power(True, True, False))),
    "losable cloud": lambda: Office().copied().says(mirrors={"cloud": {"keeps": False}}),
    "just stopped": lambda: stopped(Office().copied()),
}

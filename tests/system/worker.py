"""A worker for the panel to follow: says what it is told to, at the real socket."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Condition, Event

from appliance.core.errors import ApplianceError
from appliance.system.socket import Server

SAFE = {
    "state": "safe",
    "clock_trusted": True,
    "alive_seconds": 0.5,
    "copies": {"office": "fresh", "cloud": "fresh"},
    "reasons": [],
    "running": None,
    "sources": [{"source": "crm", "places": {"disk-a": None}}],
    "mirrors": {},
    "disks": [{"name": "disk-a", "present": True, "in_use": False, "at_rest": True}],
    "ejected": False,
    "pairing": None,
}
BEGINNING = {
    "name": "Office",
    "timezone": "Europe/Berlin",
    "named": False,
    "has_button": False,
    "attached": [],
    "repositories": [],
    "sources": [],
    "proved": False,
    "restored": False,
}
SHEET = {
    "title": "Emergency sheet: disk-a",
    "rows": [["Box", "Office"], ["Identity", "ab" * 32]],
    "passphrase": "able-baker",
    "words": ["able", "baker"],
    "code": {"size": 3, "path": "M1 1h1v1h-1z"},
    "steps": ["Type `borg list REPOSITORY`."],
    "key": "BORG PAPER KEY v1",
}
_HOURS = timedelta(hours=20)


class Worker:
    """A `core.ports.Appliance` whose status is `facts`; what was asked of it is in `asked`."""

    def __init__(self, now=lambda: datetime.now(UTC)):
        self._now = now
        self.facts = dict(SAFE)
        self.beginning = dict(BEGINNING)
        self.version = 1
        self.asked = []
        self.refuses = False
        self.told_days = []
        self._changed = Condition()

    def say(self, **facts):
        with self._changed:
            self.facts |= facts
            self.version += 1
            self._changed.notify_all()

    def status(self):
        now = self._now()
        told = {"as_of": now.isoformat(), "good_until": (now + _HOURS).isoformat()}
        return told | self.facts | {"version": self.version}

    def follow(self, version, seconds, panel=None):
        self.panel = panel
        with self._changed:
            self._changed.wait_for(lambda: self.version != version, seconds)
        return self.status()

    def days(self, count):
        today = self._now().date()
        dates = [today - timedelta(days=back) for back in range(count)]
        told = {
            "state": "copied",
            "sentence": "A proved copy was made.",
            "runs": {"crm": {"ok": 1}},
        }
        return self.told_days or [{"date": each.isoformat()} | told for each in dates]

    def start(self, source, trigger):
        self.asked.append(("start", source, trigger))
        if self.refuses:
            raise ApplianceError("No.")
        return "queued"

    def eject(self, disk=None):
        self.asked.append(("eject", disk))
        return "finishing"

    def note(self, what, words, went_well=True):
        self.asked.append(("note", what, words, went_well))

    def first_run(self):
        return self.beginning

    def name_the_box(self, name, timezone):
        if not name:
            raise ApplianceError("A name has 1 to 60 letters.")
        self.asked.append(("name", name, timezone))
        self.beginning |= {"name": name, "timezone": timezone, "named": True}

    def pair(self, node, name):
        self.asked.append(("pair", node, name))
        return f"Erase {node} and make it {name}? Hold the button on the box for five seconds."

    def ask_for_sheet(self, repository):
        self.asked.append(("ask for sheet", repository))
        return f"Show the emergency sheet of {repository} on the page?"

    def sheet(self, repository):
        self.asked.append(("sheet", repository))
        if self.refuses:
            raise ApplianceError("Not now.", hint="Hold the button.")
        return SHEET

    def confirm_sheet(self, repository, words):
        return list(words) == SHEET["words"]

    def cancel(self, source):
        return False

    def reload(self):
        return "now"


if __name__ == "__main__":
    Server(Path(sys.argv[1]), Worker())
    print("ready", flush=True)
    Event().wait()

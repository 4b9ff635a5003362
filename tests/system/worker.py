"""A worker for the panel to follow: says what it is told to, at the real socket."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from threading import Condition, Event
from types import SimpleNamespace
from zoneinfo import ZoneInfo

from appliance.activity import page, whole
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
_SOURCES = [SimpleNamespace(name="crm"), SimpleNamespace(name="site")]
SETTINGS = SimpleNamespace(zone=ZoneInfo("Europe/Berlin"), source=_SOURCES)
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
AS_OF = "2026-11-21T09:00:00+00:00"
OPENED = {
    "ticket": "ticket",
    "state": "open",
    "place": "disk-a",
    "newer": 0,
    "since": None,
    "is_last": True,
    "last_is_held": False,
    "age_seconds": 6 * 3600,
    "progress": None,
    "unused_minutes": 15,
    "sentence": "",
    "hint": "",
    "clouds": [],
    "files": [{"path": "Data.zip/Contacts.csv", "size_bytes": 5000, "kind": "table", "table": "C"}],
    "files_in_all": 1,
    "size_bytes": 5000,
    "originals": [{"path": "Data.zip", "size_bytes": 900}],
}

SEARCH = {
    "ticket": "search",
    "state": "found",
    "progress": None,
    "sentence": "",
    "hint": "",
    "records": [],
    "count": 0,
    "troubles": [],
    "newest": AS_OF,
}


def backup(source, time, **facts):
    """A backup as the worker lists it; the office is where UTC is."""
    moment = datetime.fromisoformat(time).replace(tzinfo=UTC)
    return {
        "name": f"{source}-{moment:%Y-%m-%dT%H:%M:%SZ}",
        "time": moment.isoformat(),
        "local": moment.isoformat(),
        "places": [{"name": "disk-a", "kind": "disk", "here": True}],
        "held": False,
        "size_bytes": 900,
        "newer": 0,
        "since": None,
        "is_last": True,
        "last_is_held": False,
    } | facts


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
        self.trail, self.progress = "", {}
        self.settled = {
            "stamp": "1", "file": "/etc/appliance/appliance.toml", "problems": [], "waits": False,
            "zone": "Europe/Berlin", "repositories": ["disk-a"], "panel": {},
            "sections": {"appliance": {}, "retention": {}, "disks": {}, "source": [], "mirror": []},
        }  # fmt: skip
        self.told = {"changed": [], "problems": [], "stamp": "1", "saved": True, "in_use": "now"}
        self.seen = {"problems": [], "sight": {}, "error": None}
        older = backup("crm", "2026-11-20", is_last=False, newer=1)
        self.kept = {"crm": [backup("crm", "2026-11-21T03:00:00"), older]}
        self.open, self.shown, self.found, self.taken = None, None, None, None
        self.waits_for_a_word = []
        self.button_said: dict[str, str] = {}
        self.stands = None
        self.search, self.told_of = None, None
        self.told_addresses, self.told_test = [], []
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

    def fetch_link(self, source, link, trigger):
        self.asked.append(("fetch", source, link, trigger))
        if self.refuses:
            raise ApplianceError("This is no link that can be fetched.", hint="")
        return "queued"

    def held(self):
        return self.waits_for_a_word

    def decide(self, archive, is_right, reason):
        if self.refuses:
            raise ApplianceError("It is not held any more.", hint="Look at the list again.")
        self.asked.append(("decide", archive, is_right, reason))
        self.waits_for_a_word = [one for one in self.held() if one["archive"] != archive]

    def eject(self, disk=None):
        self.asked.append(("eject", disk))
        return "finishing"

    def note(self, what, words, went_well=True):
        self.asked.append(("note", what, words, went_well))

    @cached_property
    def ledger(self):
        """Only whoever asks for Activity has one."""
        from tests.fakes import FakeLedger

        return FakeLedger()

    def activity(self, about="", outcome="", before=None, limit=50):
        found = page(self.ledger, SETTINGS, about, outcome, before=before, limit=limit)
        return found | {"trail": self.trail}

    def run(self, run_id):
        return whole(self.ledger, SETTINGS, run_id, self.progress)

    def audit(self):
        return {"trail": self.trail}

    def settings(self):
        return self.settled

    def messages(self):
        return self.told_addresses

    def test_messages(self):
        if self.refuses:
            raise ApplianceError("A test is under way. Try again in a minute.")
        self.asked.append(("test_messages",))
        return self.told_test

    def data_protection(self):
        rows = [["crm", "What is typed is `appliance find NAME`."]]
        parts = [{"title": "What is kept", "rows": rows}]
        return {"title": "Data protection: Office", "about": "The box.", "parts": parts}

    def preview_settings(self, section, name, wish):
        return self.told

    def change_settings(self, section, name, wish, stamp):
        self.asked.append(("change", section, name, wish, stamp))
        return self.told

    def put_secret(self, value):
        return "a-mark"

    def try_source(self, name, wish):
        return self.seen

    def trust_source(self, name, wish, fingerprint):
        self.asked.append(("trust", name, fingerprint))
        return "crm.example.org"

    def try_cloud(self, name, wish):
        return self.seen

    def sign_in(self, source):
        if self.stands is None:
            raise ApplianceError(f"There is no source named {source} that signs in anywhere.")
        return self.stands | {"source": source}

    def begin_sign_in(self, source):
        self.asked.append(("begin_sign_in", source))
        return self.sign_in(source)

    def finish_sign_in(self, source, line):
        self.asked.append(("finish_sign_in", source, line))
        if self.refuses:
            raise ApplianceError("There is no code in what was pasted.", hint="Copy it again.")
        return self.sign_in(source)

    def leave_sign_in(self, source):
        self.asked.append(("leave_sign_in", source))

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

    def ask_to_claim(self, who):
        if self.refuses:
            raise ApplianceError("It is another browser's turn.", hint="Ask again later.")
        self.asked.append(("ask to claim", who))
        return "Is this box to be theirs who ask for it on the page?"

    def claimed(self, who):
        return self.button_said.get(who, "no")

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

    def backups(self, source=None):
        facts = {"sources": list(self.kept), "as_of": AS_OF, "today": AS_OF[:10]}
        if source is None:
            return facts
        if source not in self.kept:
            raise ApplianceError(f"There is no source named {source}.")
        return facts | {"source": source, "backups": self.kept[source]}

    def open_backup(self, source, name, who, cloud="", only=""):
        self.asked.append(("open_backup", source, name, who, cloud, *([only] if only else [])))
        if self.refuses:
            raise ApplianceError("Somebody else has a backup open just now.", hint="Wait.")
        (one,) = (each for each in self.kept[source] if each["name"] == name)
        self.open = one | OPENED | {"source": source, "only": only}
        return "ticket"

    def opened(self, ticket):
        if self.open is None or ticket != "ticket":
            raise ApplianceError("This backup is not open any more.", hint="Open it again.")
        return self.open

    def close_backup(self, ticket):
        self.asked.append(("close_backup", ticket))
        self.open = None

    def rows(self, ticket, file, count):
        return self.opened(ticket)["files"][file] | {"file": file} | self.shown

    def find(self, ticket, text, file=0, place=0):
        self.asked.append(("find", text, file, place))
        if self.refuses:
            raise ApplianceError("This cannot be looked for.", hint="Type at least 3 letters.")
        return self.found

    def seek(self, source, text, who):
        self.asked.append(("seek", source, text))
        if self.refuses:
            raise ApplianceError("This cannot be looked for.", hint="Type at least 3 letters.")
        self.search = SEARCH | {"source": source, "text": text} | (self.told_of or {})
        return "search"

    def sought(self, ticket):
        if self.search is None or ticket != "search":
            raise ApplianceError("This search is forgotten already.", hint="Search again.")
        return self.search

    def download(self, ticket, what, file=0, place=0, text=""):
        self.asked.append(("download", what, file, place, text))
        return self.taken

    def reload(self):
        return "now"


if __name__ == "__main__":
    Server(Path(sys.argv[1]), Worker())
    print("ready", flush=True)
    Event().wait()

"""One record over ninety backups: the first time, ever after, and after one more night.

What is timed stands beside `grep` over the same days as plain files, which keeps no secret.
"""

from __future__ import annotations

import csv
import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from .measure import BIN, Cost, Finding, alternate, middle, run, size_of

MEGABYTE = 10**6
ARCHIVES, CONTACTS = 90, 50_000
_CHANGED_SHARE = 0.005
_HEADER = ["Record Id", "First Name", "Last Name", "Email", "Phone", "City", "Street", "Note"]
_WANTED = "Meyer-Zwölf"
_MOST_SECONDS, _MOST_BYTES = 3, 200 * MEGABYTE


def measure(folder: Path, scale: float, rounds: int) -> Iterator[Finding]:
    """Given an empty folder, yield what was found; `scale` 1 is 90 backups of 50,000 contacts."""
    count = max(3, round(ARCHIVES * min(scale, 1)))
    people = _People(round(CONTACTS * scale))
    appliance = [BIN / "appliance", "--config", _configuration(folder)]
    run([*appliance, "init", "disk"])
    plain = folder / "plain"
    plain.mkdir()
    for number in range(count):
        _night(folder, people, plain / f"{number}.csv")
        run([*appliance, "run", "inbox"], allowed=(0, 3))
    of = f"{count} backups of {len(people.rows):,} contacts"
    find = [*appliance, "find", _WANTED]
    yield from _first(run(find), of)
    yield from _sizes(folder)
    yield from _ever_after(find, plain, rounds, is_whole=scale >= 1)
    _night(folder, people, plain / "last.csv")
    run([*appliance, "run", "inbox"], allowed=(0, 3))
    yield Finding("find", "after one more night", run(find).wall_seconds, "s")


class _People:
    """Contacts, of whom one in two hundred is another each day."""

    def __init__(self, count: int) -> None:
        self._chance = random.Random(5)
        self._words = ["".join(self._chance.choices("abdegiklmnorstu", k=7)) for _ in range(3000)]
        self.rows = [self._person(number) for number in range(count)]
        self.rows[count // 2][2] = _WANTED

    def _person(self, number: int) -> list[str]:
        first, last, city, street, *note = self._chance.choices(self._words, k=9)
        phone = f"0{self._chance.randrange(10**9)}"
        mail = f"{first}@{last}.example"
        return [f"{number:09}", first, last, mail, phone, city, street, " ".join(note)]

    def advance(self) -> None:
        """Live a day."""
        for _ in range(round(len(self.rows) * _CHANGED_SHARE)):
            row = self._chance.choice(self.rows)
            row[4] = f"0{self._chance.randrange(10**9)}"


def _night(folder: Path, people: _People, plain: Path) -> None:
    """The next day, put into the inbox."""
    people.advance()
    with plain.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([_HEADER, *people.rows])
    delivered = folder / "inbox" / "Contacts.csv"
    delivered.write_bytes(plain.read_bytes())
    os.utime(delivered, (delivered.stat().st_mtime - 3600,) * 2)


def _configuration(folder: Path) -> Path:
    (folder / "inbox").mkdir()
    config = folder / "appliance.toml"
    config.write_text(
        f"""
        [appliance]
        state = '{folder}/state'
        reserve = "1 MB"
        [[source]]
        name = "inbox"
        type = "inbox"
        path = '{folder}/inbox'
        stable_for = "0s"
        schedule = "monthly on 1 at 03:00"
        [[repository]]
        name = "disk"
        path = '{folder}/disk'
        passphrase = "${{secret:disk}}"
        reserve = "1 MB"
    """
    )
    return config


def _first(cost: Cost, of: str) -> Iterator[Finding]:
    yield Finding("find", f"the first time, {of}", cost.wall_seconds, "s")
    yield _memory("memory the first time (the largest process)", cost)


def _sizes(folder: Path) -> Iterator[Finding]:
    timeline = size_of(folder / "state" / "timelines") / MEGABYTE
    yield Finding("find", "the timeline at rest", timeline, "MB")
    yield Finding(
        "find", "the same days as plain files", size_of(folder / "plain") / MEGABYTE, "MB"
    )


def _ever_after(
    find: Sequence[str | Path], plain: Path, rounds: int, *, is_whole: bool
) -> Iterator[Finding]:
    grep = ["grep", "-c", "-i", "-r", _WANTED, plain]
    costs = alternate({"find": lambda: run(find), "grep": lambda: run(grep)}, rounds)
    found, beside = middle(costs["find"]), middle(costs["grep"])
    met = found.wall_seconds <= _MOST_SECONDS if is_whole else None
    yield Finding("find", "ever after", found.wall_seconds, "s", f"<= {_MOST_SECONDS}", met)
    yield Finding("find", "grep over the plain files", beside.wall_seconds, "s")
    yield _memory("memory ever after", found)


def _memory(what: str, cost: Cost) -> Finding:
    most = _MOST_BYTES / MEGABYTE
    value = cost.peak_bytes / MEGABYTE
    return Finding("find", what, value, "MB", f"<= {most:.0f}", value <= most)

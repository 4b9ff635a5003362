"""Sixty days of a CRM: what each contender stores and sends, and what a day costs it."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from statistics import median

from appliance.demo.crm import Crm
from tests import servers

from .contenders import (
    Bare,
    BorgOnZips,
    BorgWithFineChunks,
    Contender,
    Day,
    Limit,
    Ours,
    ResticOnZips,
)
from .measure import Cost, Finding, middle, missing

MEGABYTE = 10**6
_DAYS_OF_TARGETS = 60
_FIRST_DAY = date(2026, 9, 1)


def measure(folder: Path, scale: float, days: int) -> Iterator[Finding]:
    """Given an empty folder, yield what was found."""
    with servers.s3(folder / "s3-ours") as ours, servers.s3(folder / "s3-bare") as bare:
        yield from _Sixty(folder, scale, days, ours, bare).all()


class _Sixty:
    def __init__(
        self, folder: Path, scale: float, days: int, ours: servers.S3, bare: servers.S3
    ) -> None:
        self._folder, self._days = folder, days
        self._crm = Crm(_FIRST_DAY, scale=scale)
        self._ours = Ours(folder / "ours", ours)
        self._bare = Bare(folder / "bare", bare)
        self._limit = Limit()
        others: list[Contender] = [
            BorgOnZips(folder / "borg"),
            BorgWithFineChunks(folder / "borg-fine"),
        ]
        if missing("restic"):
            raise RuntimeError("restic is not installed: run `make bench`, which brings it")
        others.append(ResticOnZips(folder / "restic"))
        self._contenders: list[Contender] = [self._ours, self._bare, *others]
        self._costs: dict[str, list[Cost]] = {each.name: [] for each in self._contenders}
        self._uploads: list[int] = []
        self._patches: list[int] = []

    def all(self) -> Iterator[Finding]:
        """Live the days; yield the sizes at their marks, then what follows from all."""
        marks = {1, self._days // 2, self._days} - {0}
        before: tuple[Path, ...] = ()
        for number in range(1, self._days + 1):
            day = self._next_day(number, before)
            self._keep(day)
            if number in marks:
                yield from self._sizes(number)
            before = day.tables
        yield from self._traffic()
        yield from self._unchanged_day(before)
        yield from self._effort()
        yield from self._the_way_back()

    def _next_day(self, number: int, before: Sequence[Path]) -> Day:
        if number > 1:
            self._crm.advance()
        old = self._folder / "days" / str(number - 2)
        shutil.rmtree(old, ignore_errors=True)
        folder = self._folder / "days" / str(number)
        zip_file = self._crm.write_zip(self._folder / "zips")
        return Day(number, zip_file, self._crm.write_csv(folder), tuple(before))

    def _keep(self, day: Day) -> None:
        limit = self._limit.add(day)
        uploaded = self._ours.uploaded_bytes()
        turn = day.number % len(self._contenders)
        for contender in self._contenders[turn:] + self._contenders[:turn]:
            self._costs[contender.name].append(contender.keep(day))
        self._uploads.append(self._ours.uploaded_bytes() - uploaded)
        self._patches.append(self._bare.patch_bytes)
        sizes = (
            f"limit {limit:,} B, patch {self._bare.patch_bytes:,} B, sent {self._uploads[-1]:,} B"
        )
        print(f"  day {day.number}: {sizes}", file=sys.stderr, flush=True)

    def _sizes(self, number: int) -> Iterator[Finding]:
        limit = self._limit.stored_bytes()
        for each in [*self._contenders, self._limit]:
            size = each.stored_bytes()
            what = f"stored after {number} days: {each.name}"
            yield Finding("storage", what, size / MEGABYTE, "MB")
        ours = self._ours.stored_bytes()
        last = number == self._days and number >= _DAYS_OF_TARGETS
        ratio, target = ours / limit, "<= 1.10" if last else ""
        met = ratio <= 1.10 if last else None
        yield Finding("storage", f"after {number} days: ours / limit", ratio, "x", target, met)
        for each in self._contenders[1:]:
            better = each.stored_bytes() / ours
            is_restic = last and isinstance(each, ResticOnZips)
            target, met = (">= 40", better >= 40) if is_restic else ("", None)
            what = f"after {number} days: {each.name} / ours"
            yield Finding("storage", what, better, "x", target, met)

    def _traffic(self) -> Iterator[Finding]:
        normal, patch = median(self._uploads[1:]), median(self._patches[1:])
        for number, sent in enumerate(self._uploads, 1):
            yield Finding("by day", f"sent on day {number}", sent / 1000, "KB")
        yield Finding("storage", "sent on a normal day (median)", normal / 1000, "KB")
        ratio = normal / patch
        yield Finding("storage", "sent on a normal day / patch", ratio, "x", "<= 1.5", ratio <= 1.5)

    def _unchanged_day(self, before: Sequence[Path]) -> Iterator[Finding]:
        """The vendor packs the same rows again: other bytes, nothing new."""
        self._crm.day += timedelta(days=1)
        zip_file = self._crm.write_zip(self._folder / "zips")
        sent = self._ours.uploaded_bytes()
        self._ours.keep(replace(Day(self._days + 1, zip_file, tuple(before), tuple(before))))
        kilobytes = (self._ours.uploaded_bytes() - sent) / 1000
        what = "sent on a day without changes"
        yield Finding("storage", what, kilobytes, "KB", "<= 60", kilobytes <= 60)

    def _effort(self) -> Iterator[Finding]:
        ours, bare = (middle(self._costs[each.name][1:]) for each in (self._ours, self._bare))
        pairs = zip(self._costs[self._ours.name][1:], self._costs[self._bare.name][1:], strict=True)
        walls, cpus = zip(
            *((a.wall_seconds / b.wall_seconds, a.cpu_seconds / b.cpu_seconds) for a, b in pairs),
            strict=True,
        )
        yield Finding("effort", "a run: wall", median(walls), "x bare tools")
        yield Finding("effort", "a run: CPU", median(cpus), "x bare tools")
        yield Finding("effort", "a run: CPU seconds", ours.cpu_seconds, "s")
        yield Finding("effort", "a run: peak memory of a process", ours.peak_bytes / MEGABYTE, "MB")
        yield Finding("effort", "bare tools: peak memory", bare.peak_bytes / MEGABYTE, "MB")

    def _the_way_back(self) -> Iterator[Finding]:
        """What was measured is worth nothing unless it comes back."""
        folder = self._folder / "back"
        cost = self._ours.restore(folder)
        wanted = _sha256(self._folder / "zips" / "Data_001.zip")
        same = any(_sha256(path) == wanted for path in folder.rglob("*.zip"))
        yield Finding(
            "effort", "restore of the newest original", cost.wall_seconds, "s", "same", same
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

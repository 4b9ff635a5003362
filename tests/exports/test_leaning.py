"""How long a backup leans on what the export no longer has: a promise to whoever is gone."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from appliance.exports.layout import ExportFolder
from appliance.exports.manifest import load
from tests.exports.days import Days, changed, csv, read, table

WHO = "Gone Customer"


def days_of(tmp_path: Path, leans_at_most: timedelta | None, part_bytes: int = 64 << 10) -> Days:
    return Days(tmp_path, ExportFolder(leans_at_most=leans_at_most, part_bytes=part_bytes))


def with_customer(lines: list[str]) -> list[str]:
    return [*lines[:50], f'1,"{WHO}",x@x.example,Open,""', *lines[50:]]


def holds_the_customer(archive: Path | None) -> bool:
    """Bases lie there as they are; a patch has what is new in it, and nobody adds the customer."""
    assert archive is not None
    return any(WHO.encode() in content for content in read(archive).values())


@pytest.mark.parametrize("goes_on", [True, False], ids=["changes daily", "never changes again"])
@pytest.mark.parametrize("rows", [600, 4000], ids=["one part", "several parts"])
def test_after_so_long_nothing_of_a_deleted_record_is_in_a_new_backup(
    tmp_path: Path, goes_on: bool, rows: int
) -> None:
    days, lines = days_of(tmp_path, timedelta(days=5)), table(rows)
    days.add({"c.csv": csv(with_customer(lines))})
    held = []
    for day in range(12):
        lines = changed(lines, day) if goes_on else lines
        days.add({"c.csv": csv(lines)})
        held.append(holds_the_customer(days.archive))
        assert days.restored() == {"c.csv": csv(lines)}
    assert held[0], "it was kept as a difference at first"
    assert not any(held[6:]), held


def test_without_an_end_it_leans_for_as_long_as_it_saves_room(tmp_path: Path) -> None:
    days, lines = days_of(tmp_path, None), table(600)
    days.add({"c.csv": csv(with_customer(lines))})
    for day in range(12):
        lines = changed(lines, day)
        days.add({"c.csv": csv(lines)})
    assert holds_the_customer(days.archive)


def test_the_manifest_says_since_when(tmp_path: Path) -> None:
    days, lines = days_of(tmp_path, None), table(600)
    first = days.add({"c.csv": csv(lines)})
    for day in range(3):
        lines = changed(lines, day)
        days.add({"c.csv": csv(lines)})
    assert days.archive is not None
    (member,) = load(days.archive)[0].members
    (chain,) = member.chains
    assert len(chain.links) == 4
    assert chain.since == load(first.root)[0].pulled_at + timedelta(days=1)


def test_a_chain_that_does_not_say_since_when_begins_anew(tmp_path: Path) -> None:
    days, lines = days_of(tmp_path, None), table(600)
    days.add({"c.csv": csv(with_customer(lines))})
    days.add({"c.csv": csv(lines)})
    assert days.archive is not None
    manifest = days.archive / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"since":"', '"sinse":"'))
    days.exports = ExportFolder(leans_at_most=timedelta(days=30))
    days.add({"c.csv": csv(lines)})
    assert not holds_the_customer(days.archive)
    assert days.restored() == {"c.csv": csv(lines)}

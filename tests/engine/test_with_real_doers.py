"""The pipeline over the real ledger, staging, exports, Borg and rclone: only source and clock
are fakes."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from appliance.core.errors import DiskAbsent
from appliance.core.forgetting import gone_after, leaning
from appliance.core.model import Outcome, Trigger
from appliance.core.ports import Watch
from appliance.core.retention import Policy
from appliance.engine import drill, memory, pipeline
from appliance.engine.kit import Kit
from appliance.exports.layout import ExportFolder
from appliance.mirrors.rclone import RcloneMirror
from appliance.repositories.borg import BorgRepository
from appliance.system.ledger import SqliteLedger
from appliance.system.staging import FolderStaging
from tests.fakes import FakeClock, FakeSource

pytestmark = pytest.mark.slow


def borg(folder: Path, name: str) -> BorgRepository:
    return BorgRepository(
        name,
        str(folder / name),
        lambda: "correct horse",
        folder / f"{name}-state",
        "test-host",
        reserve_bytes=0,
    )


def adopt(ledger: SqliteLedger, disks: Sequence[BorgRepository]) -> None:
    """Note their ids, as `appliance init` does."""
    for disk in disks:
        ledger.note(memory.key(memory.REPOSITORY_ID, disk.name), disk.id())


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Kit]:
    disks = (borg(tmp_path, "disk-a"), borg(tmp_path, "disk-b"))
    for disk in disks:
        disk.create_repository()
    (tmp_path / "cloud").mkdir()
    ledger = SqliteLedger(tmp_path / "ledger.sqlite")
    adopt(ledger, disks)
    yield Kit(
        ExportFolder(),
        disks,
        ledger,
        FakeClock(),
        FolderStaging(tmp_path / "staging", 0),
        ZoneInfo("Europe/Berlin"),
        lambda event: None,
        {"crm": Policy()},
        (
            RcloneMirror(
                "cloud", "disk-a", str(tmp_path / "cloud"), None, state=tmp_path / "rclone"
            ),
        ),
    )
    ledger.close()


def contacts(changed: int) -> bytes:
    rows = [
        f"{number},Name {number},{'new' if number < changed else 'old'}" for number in range(3000)
    ]
    return ("id,name,state\n" + "\n".join(rows) + "\n").encode()


def back_up(kit: Kit, source: FakeSource, data: bytes):
    source.files = {"contacts.csv": data}
    run = pipeline.run(source, Trigger.COMMAND, kit, Watch())
    kit.clock.forward(timedelta(days=1))
    return run


def read(kit: Kit, disk: BorgRepository, archive: str, into: Path) -> bytes:
    (into / "archive").mkdir(parents=True)
    (into / "out").mkdir()
    disk.extract(archive, into / "archive", Watch())
    (path,) = kit.exports.restore(into / "archive", into / "out", Watch())
    return path.read_bytes()


def test_days_of_backups_an_absent_disk_and_the_way_back(kit: Kit, tmp_path: Path) -> None:
    source = FakeSource()
    first, second = back_up(kit, source, contacts(0)), back_up(kit, source, contacts(9))
    assert [first.outcome, second.outcome] == [Outcome.OK, Outcome.OK]
    assert back_up(kit, source, contacts(9)).outcome is Outcome.SKIPPED

    (tmp_path / "disk-b").rename(tmp_path / "unplugged")
    third = back_up(kit, source, contacts(50))
    assert third.outcome is Outcome.WARNING
    (tmp_path / "unplugged").rename(tmp_path / "disk-b")
    fourth = back_up(kit, source, contacts(70))
    assert fourth.outcome is Outcome.OK, fourth.message

    disk_a, disk_b = kit.repositories
    assert disk_a.archives() == disk_b.archives()
    for run, data in ((first, 0), (second, 9), (third, 50), (fourth, 70)):
        assert read(kit, disk_b, run.archive, tmp_path / run.archive) == contacts(data)
    places = [copy.place for copy in kit.ledger.copies("crm")]
    assert [places.count(place) for place in ("disk-a", "disk-b", "cloud")] == [4, 4, 4]

    ended = drill.drill("disk-b", Trigger.COMMAND, kit, Watch())
    assert (ended.run.outcome, ended.error) == (Outcome.OK, None)
    assert list((tmp_path / "staging").iterdir()) == []


def test_a_new_box_with_an_old_disk_goes_on_where_the_other_one_stopped(
    kit: Kit, tmp_path: Path
) -> None:
    source = FakeSource()
    first = back_up(kit, source, contacts(0))
    new = SqliteLedger(tmp_path / "new.sqlite")
    adopt(new, kit.repositories)
    try:
        kit = replace(kit, ledger=new)
        second = back_up(kit, source, contacts(9))
        assert second.outcome is Outcome.OK, second.message
        assert [one.sequence for one in kit.repositories[0].archives()] == [1, 2]
        proved = {copy.archive for copy in new.copies("crm") if copy.place == "disk-b"}
        assert proved == {first.archive, second.archive}
    finally:
        new.close()


def test_whoever_is_deleted_in_the_crm_is_gone_from_the_disk_by_the_day_that_was_told(
    kit: Kit,
) -> None:
    """They bring so much that cannot be packed that the disk shows whether it is still there."""
    day, policy = timedelta(days=1), Policy(last=9, at_most=timedelta(days=4))
    exports, disk = ExportFolder(leans_at_most=leaning(policy)), kit.repositories[0]
    kit = replace(kit, exports=exports, repositories=(disk,), retention={"crm": policy}, mirrors=())
    customer = random.Random(7).randbytes(150_000).hex()  # 150 KB, however it is packed

    def size_bytes() -> int:
        assert disk.path
        return sum(path.stat().st_size for path in (disk.path / "data").glob("*/*"))

    def with_customer(number: int) -> bytes:
        return contacts(number).replace(b"\n7,", f"\n9999,{customer},new\n7,".encode())

    source, told = FakeSource(), gone_after(policy, day)
    assert told == 24 * day
    for number in range(3):
        assert back_up(kit, source, with_customer(number)).outcome is Outcome.OK
    sizes = []
    for number in range(3, 3 + told // day):
        assert back_up(kit, source, contacts(number)).outcome is Outcome.OK
        sizes.append(size_bytes())
    assert sizes[0] > 150_000
    assert sizes[-1] < 150_000, sizes
    assert len(disk.archives()) >= 4


def test_no_disk_is_a_failed_run_that_waits_for_one(kit: Kit, tmp_path: Path) -> None:
    for name in ("disk-a", "disk-b"):
        (tmp_path / name).rename(tmp_path / f"{name}-away")
    ended = pipeline.back_up(FakeSource(), Trigger.COMMAND, kit, Watch())
    assert isinstance(ended.error, DiskAbsent)


def test_A13_a_rotten_segment_is_found_and_nothing_of_it_reaches_the_cloud(
    kit: Kit, tmp_path: Path
) -> None:
    source = FakeSource()
    back_up(kit, source, contacts(0))
    cloud = sorted(path.name for path in (tmp_path / "cloud").rglob("*"))
    for segment in sorted((tmp_path / "disk-a" / "data").rglob("*")):
        if segment.is_file() and segment.stat().st_size > 10_000:
            data = bytearray(segment.read_bytes())
            data[5000] ^= 1
            segment.write_bytes(data)
    run = back_up(kit, source, contacts(9))
    assert run.outcome is Outcome.WARNING
    assert kit.ledger.noted("damaged:disk-a")
    assert sorted(path.name for path in (tmp_path / "cloud").rglob("*")) == cloud
    assert read(kit, kit.repositories[1], run.archive, tmp_path / "out") == contacts(9)

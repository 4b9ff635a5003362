"""A repository on a disk: attached while it is used, let go after, and honest when it is yanked."""

from __future__ import annotations

from threading import Event

import pytest

from appliance.core.errors import Cancelled, DiskAbsent, ToolFailed, WrongDisk
from appliance.core.ports import Watch
from appliance.repositories.on_disk import RepositoryOnDisk
from appliance.system import process
from tests.fakes import FakeDisk, FakeRepository


class Reading(FakeRepository):
    """One whose `check` is a real program that never ends by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = Event()

    def check(self, watch: Watch) -> None:
        self.begun.set()
        process.run(["sleep", "600"], watch=watch)


@pytest.fixture
def disk() -> FakeDisk:
    return FakeDisk("disk-a")


@pytest.fixture
def inner() -> Reading:
    return Reading()


@pytest.fixture
def repository(inner: Reading, disk: FakeDisk) -> RepositoryOnDisk:
    return RepositoryOnDisk(inner, disk)


def test_it_is_attached_at_the_first_use_and_at_rest_when_it_is_let_go(repository, disk) -> None:
    assert not disk.is_attached()
    repository.id()
    assert disk.is_attached()
    repository.release()
    assert disk.is_at_rest()


def test_what_keeps_the_disk_from_being_used_is_what_is_said(repository, disk) -> None:
    disk.error = WrongDisk("It is another disk.")
    with pytest.raises(WrongDisk, match="another disk"):
        repository.inventory()


def test_A7_the_program_at_work_ends_as_soon_as_the_disk_is_pulled_out(
    repository, inner, disk
) -> None:
    import threading

    def yank() -> None:
        inner.begun.wait(10)
        disk.pull_out()
        disk.lost.set()

    hand = threading.Thread(target=yank)
    hand.start()
    with pytest.raises(DiskAbsent, match="pulled out while it was in use"):
        repository.check(Watch())
    hand.join()


def test_a_fault_of_a_program_whose_disk_is_gone_is_the_disks(repository, inner, disk) -> None:
    def fail(*_: object) -> str:
        disk.pull_out()
        raise ToolFailed("Input/output error")

    inner.id = fail
    with pytest.raises(DiskAbsent, match="pulled out") as caught:
        repository.id()
    assert "Input/output error" in caught.value.detail


def test_a_fault_with_the_disk_still_there_stays_what_it_is(repository, inner) -> None:
    inner.errors = {"id": ToolFailed("a fault")}
    with pytest.raises(ToolFailed, match="a fault"):
        repository.id()


def test_being_stopped_by_a_person_is_not_a_disk_that_went(repository, inner, disk) -> None:
    watch = Watch()
    watch.cancel.set()
    with pytest.raises(Cancelled):
        repository.check(watch)


def test_a_disk_that_somebody_is_about_to_unplug_is_not_attached_again(inner, disk) -> None:
    wanted = True
    repository = RepositoryOnDisk(inner, disk, lambda: wanted)
    with pytest.raises(DiskAbsent, match="let go to be unplugged"):
        repository.id()
    assert disk.attached == 0
    wanted = False
    assert repository.id()


def test_what_is_at_work_already_is_finished_though_the_disk_was_asked_for(inner, disk) -> None:
    asked = False
    repository = RepositoryOnDisk(inner, disk, lambda: asked)
    repository.id()
    asked = True
    assert repository.inventory().id
    repository.release()
    with pytest.raises(DiskAbsent):
        repository.id()


def test_a_lock_of_ours_is_looked_for_only_on_a_disk_that_is_here(repository, inner, disk) -> None:
    disk.pull_out()
    repository.break_stale_lock(Watch())
    assert inner.locks_broken == 0
    disk.present = True
    repository.break_stale_lock(Watch())
    assert inner.locks_broken == 1

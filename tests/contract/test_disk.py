"""What every disk keeps, the fake of the tests and the real one on loop devices alike."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from appliance.core.errors import Cancelled, DiskAbsent
from appliance.core.ports import Disk, Watch
from tests.fakes import FakeDisk
from tests.hw.loops import A, Machine


@dataclass
class Plugged:
    """A disk, and the hand that pulls it out."""

    disk: Disk
    pull_out: Callable[[], None]


@pytest.fixture(params=["fake", "real"])
def plugged(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Plugged]:
    if request.param == "fake":
        fake = FakeDisk("disk-a", tmp_path)
        yield Plugged(fake, fake.pull_out)
        return
    if os.getuid() != 0:
        pytest.skip("only root may mount")
    machine = Machine(tmp_path)
    machine.plug(machine.paired("disk-a", A), A)
    yield Plugged(machine.disk("disk-a", A), lambda: machine.pull_out(A))
    machine.close()


def test_plugged_in_and_unused_it_is_at_rest(plugged: Plugged) -> None:
    disk = plugged.disk
    assert disk.name == "disk-a"
    assert disk.is_present()
    assert not disk.is_attached()
    assert disk.is_at_rest()


def test_it_is_attached_until_it_is_let_go(plugged: Plugged) -> None:
    disk = plugged.disk
    disk.attach(Watch())
    assert disk.is_attached()
    assert not disk.is_at_rest()
    disk.release()
    assert not disk.is_attached()
    assert disk.is_at_rest()


def test_attaching_again_and_letting_go_again_is_no_error(plugged: Plugged) -> None:
    disk = plugged.disk
    for act in (disk.attach, disk.attach):
        act(Watch())
    assert disk.is_attached()
    for let_go in (disk.release, disk.release):
        let_go()
    assert disk.is_at_rest()
    disk.attach(Watch())
    assert disk.is_attached()
    disk.release()


def test_letting_go_what_was_never_attached_is_no_error(plugged: Plugged) -> None:
    plugged.disk.release()
    assert plugged.disk.is_at_rest()


def test_pulled_out_it_is_absent_and_says_its_name(plugged: Plugged) -> None:
    plugged.pull_out()
    assert not plugged.disk.is_present()
    with pytest.raises(DiskAbsent, match="disk-a is not plugged in"):
        plugged.disk.attach(Watch())
    assert not plugged.disk.is_attached()


def test_pulled_out_while_it_is_attached_attaching_says_so(plugged: Plugged) -> None:
    plugged.disk.attach(Watch())
    plugged.pull_out()
    with pytest.raises(DiskAbsent):
        plugged.disk.attach(Watch())
    plugged.disk.release()
    assert not plugged.disk.is_attached()


def test_attached_anew_it_is_not_lost_any_more(plugged: Plugged) -> None:
    plugged.disk.lost.set()
    plugged.disk.attach(Watch())
    assert not plugged.disk.lost.is_set()
    plugged.disk.release()


def test_who_does_not_want_it_any_more_does_not_get_it(plugged: Plugged) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        plugged.disk.attach(Watch(cancel=stop))
    assert not plugged.disk.is_attached()
    assert plugged.disk.is_at_rest()

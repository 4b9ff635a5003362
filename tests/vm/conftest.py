"""The guest of the tests: built once for all of them, resumed afresh for each, gone afterwards."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.vm import build, places
from tests.vm.guest import Built, Guest
from tests.vm.office import Office

_GUEST = pytest.StashKey[Guest]()


@pytest.fixture(scope="session")
def built() -> Built:
    """The two halves of the guest; a skip here fails where CI runs (see tests/conftest.py)."""
    if lacking := build.lacking():
        pytest.skip(f"not installed: {' '.join(lacking)}")
    if os.uname().machine != "x86_64":
        pytest.skip("the guest is made on x86-64 only")
    if os.getuid() and not _sudo_asks_nothing() and not places.product().exists():
        pytest.skip("making the guest needs root: `sudo -v` first, or `make vm`")
    return build.ensure()


def _sudo_asks_nothing() -> bool:
    command = ["sudo", "--non-interactive", "true"]
    return bool(shutil.which("sudo")) and not subprocess.run(command, check=False).returncode


@pytest.fixture
def off(built: Built, request: pytest.FixtureRequest) -> Iterator[Guest]:
    """A guest that is switched off: `boot()` or `resume()` it. Two at most run on a machine."""
    name = re.sub(r"\W+", "-", request.node.name)[:60] + f"-{os.getpid()}"
    with places.a_slot(), places.in_use(built.product), Guest(name, built) as guest:
        request.node.stash[_GUEST] = guest
        yield guest


@pytest.fixture
def guest(off: Guest) -> Guest:
    """A fresh guest that goes on from the snapshot, in about a second."""
    off.resume()
    return off


@pytest.fixture
def moved_in(guest: Guest) -> Office:
    """An office with an inbox and lamps, and no disk yet."""
    office = Office(guest)
    office.move_in()
    return office


@pytest.fixture
def office(off: Guest) -> Office:
    """An office at work: one backup on disk-a, which is the disk `stick`, not plugged in now."""
    off.resume_at_work()
    return Office(off)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """Show with a failure what the guest said last."""
    report = yield
    if report.when == "call" and report.failed and _GUEST in item.stash:
        report.sections.append(("The guest's last words", _last_words(item.stash[_GUEST])))
    return report


def _last_words(guest: Guest) -> str:
    journal = "journalctl --no-pager --output=short-monotonic --lines=150"
    try:
        return guest.call("sh", "-c", journal, seconds=30).out
    except (OSError, TimeoutError) as error:
        return f"{guest.serial()}\n({error})"

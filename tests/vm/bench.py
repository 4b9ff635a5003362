"""What the box costs and how fast it answers, in a guest's own clock: `python -m tests.vm bench`.

Everything is emulated, so figures are upper bounds for a Pi 4; the clock is the guest's kernel's.
"""

from __future__ import annotations

import re
import time

from tests.vm.guest import Guest
from tests.vm.office import BUTTON, Office

PRESSES = 200
IDLE_SECONDS = 600
"""Once an hour the time is noted on the disk: that may lie in it or not."""
_SERVICES = ("appliance-worker", "appliance-panel", "appliance-web")
_SECTOR_BYTES = 512


def measure(guest: Guest) -> list[str]:
    """Return one line for each figure."""
    office = Office(guest)
    office.plug("stick")
    office.last_id()
    return [*_idle(guest), *_a_backup(guest, office), *_plugged(guest, office), *_presses(guest)]


def _presses(guest: Guest) -> list[str]:
    """From the edge of the button to the first lamp that changes."""
    latencies = []
    for _ in range(PRESSES // 10):
        with guest.header.recorded() as changes:
            for _ in range(10):
                guest.header.press(BUTTON, 0.2)
                time.sleep(0.5)
        pressed = [one.at_seconds for one in changes if one.bcm == BUTTON and not one.level]
        lamps = [one.at_seconds for one in changes if one.bcm != BUTTON]
        latencies += [_first(lamps, at) for at in pressed]
    latencies.sort()
    p50, p99 = latencies[len(latencies) // 2], latencies[int(len(latencies) * 0.99) - 1]
    return [
        f"press to lamp: p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms, {len(latencies)} presses"
    ]


def _first(lamps: list[float], at: float) -> float:
    return min((lamp - at for lamp in lamps if lamp >= at), default=9.9)


def _idle(guest: Guest) -> list[str]:
    guest.sh("sync; sleep 60")  # what it did before is written, and its last commit too
    before, written = _switches(guest), _written(guest)
    guest.sh(f"sleep {IDLE_SECONDS}", seconds=IDLE_SECONDS + 60)
    after, bytes_idle = _switches(guest), _written(guest) - written
    lines = [
        f"{service}: {(after[service] - before[service]) / IDLE_SECONDS:.1f} wake-ups a second, "
        f"{_memory_kb(guest, service) / 1024:.0f} MB"
        for service in _SERVICES
    ]
    a_day = bytes_idle * 86400 / IDLE_SECONDS
    resident, share = (
        sum(_memory_kb(guest, service, kind) for service in _SERVICES) / 1024
        for kind in ("Rss", "Pss")
    )
    return [
        *lines,
        f"memory: {resident:.0f} MB together, {share:.0f} MB with what they share counted once",
        f"system disk, idle: {bytes_idle} bytes in {IDLE_SECONDS} s, {a_day / 1e6:.1f} MB a day",
    ]


def _a_backup(guest: Guest, office: Office) -> list[str]:
    written, seen = _written(guest), office.last_id()
    office.drop("b.csv", kibibytes=100)
    office.wait_for_run("ok", after=seen)
    guest.sh("sync")
    return [f"system disk, one backup of 0.1 MB: {(_written(guest) - written) / 1e6:.2f} MB"]


def _plugged(guest: Guest, office: Office) -> list[str]:
    guest.usb.yank("stick")
    seen = office.last_id()
    office.drop("c.csv")
    office.wait_for_run("warning", after=seen)
    guest.sh("udevadm monitor --kernel --subsystem-match=usb >/run/plugged 2>&1 &")
    guest.sh("journalctl --sync")
    begun = guest.sh("date +%s.%N").strip()
    office.plug("stick")
    log = f"journalctl -u appliance-worker -o short-monotonic --since=@{begun}"
    found = f"{log} | grep 'trigger=disk begins'"
    guest.wait_for(found, 90)
    at_work = _stamp(guest.sh(found))
    plugged = _stamp(guest.sh("pkill udevadm; grep 'add.*/devices' /run/plugged"))
    return [f"plug to run: {at_work - plugged:.1f} s from the kernel's first word of it"]


def _stamp(line: str) -> float:
    """Both are seconds of the kernel's monotonic clock."""
    return float(re.findall(r"\d+\.\d+", line)[0])


def _pid(guest: Guest, service: str) -> str:
    return guest.sh(f"systemctl show -P MainPID {service}").strip()


def _switches(guest: Guest) -> dict[str, int]:
    """Voluntary context switches of all threads: how often something woke up."""
    count = "cat /proc/{}/task/*/status | awk '/^voluntary/ {{s += $2}} END {{print s}}'"
    return {one: int(guest.sh(count.format(_pid(guest, one)))) for one in _SERVICES}


def _memory_kb(guest: Guest, service: str, kind: str = "Rss") -> int:
    """Rss counts what several share for each of them, Pss once for all."""
    rollup = f"/proc/{_pid(guest, service)}/smaps_rollup"
    return int(guest.sh(f"awk '/^{kind}:/ {{print $2}}' {rollup}"))


def _written(guest: Guest) -> int:
    return int(guest.read("/sys/block/vda/stat").split()[6]) * _SECTOR_BYTES

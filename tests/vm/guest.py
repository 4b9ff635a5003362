"""One running guest: its life, commands in it, files into it. Guests are throw-away.

with Guest("yank", built) as guest:
    guest.resume()
    guest.usb.make("stick", fs="ext4")
    guest.usb.plug("stick")
    guest.wait_for("test -e /dev/sda")
"""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.vm import machine, places
from tests.vm.header import Header
from tests.vm.usb import Usb
from tests.vm.wires import Agent, Done, Monitor

AT_WORK = "at-work"
"""The folder of the second snapshot, where the box is set up and has made its first backup."""
_UP = "VM-READY"
_PANIC = "Kernel panic - not syncing"
_BOOT_SECONDS = 300
_COMMAND_SECONDS = 120
_LOOK_EVERY_SECONDS = 0.1
_DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL")
"""A `timeout` around the tests gives nobody the time to tidy up."""


class Failed(AssertionError):
    """A command in the guest ended with another code than 0."""


@dataclass(frozen=True, slots=True)
class Built:
    """The two halves that guests run from."""

    debian: Path
    product: Path


class Guest:
    """A guest by its name; the name is its folder, and one guest at a time has it."""

    def __init__(self, name: str, built: Built) -> None:
        self.name = name
        self.built = built
        self.folder = places.run(name)
        self.usb = Usb(self.folder, lambda: self.monitor)
        self.header = Header(self.sh)
        self._dies_with_us = False
        self._process: subprocess.Popen[bytes] | None = None
        self._monitor: Monitor | None = None
        self._agent: Agent | None = None

    def __enter__(self) -> Self:
        """Be the guest of this block: it ends with it, also where we are killed meanwhile."""
        self._dies_with_us = True
        self.forget()
        return self

    def __exit__(self, *exc: object) -> None:
        self.forget()

    # --- its life

    def resume(self) -> None:
        """Go on from the snapshot, on a disk of its own, with the time of now."""
        self._go_on_from(self.built.product)
        self.set_clock(time.time())

    def resume_at_work(self) -> None:
        """Go on as the box of an office that is set up, at the time when it was."""
        at_work = self.built.product / AT_WORK
        self._go_on_from(at_work)
        for image in at_work.glob("*.img"):
            sparsely = ["cp", "--sparse=always", image, self.folder]
            subprocess.run(sparsely, check=True)
        self.set_clock(float((at_work / "time").read_text()))

    def _go_on_from(self, snapshot: Path) -> None:
        self._new_disk(snapshot / "frozen.qcow2", "qcow2")
        self._start(ram=snapshot / "ram")
        while self.monitor.call("query-status")["status"] == "inmigrate":
            time.sleep(_LOOK_EVERY_SECONDS / 10)
        self.monitor.call("cont")

    def boot(self, *, clock: str = machine.NOW, watchdog: str = "none") -> None:
        """Switch on with a fresh disk."""
        self._new_disk(self.built.product / "disk.raw", "raw")
        self.power_on(clock=clock, watchdog=watchdog)

    def power_on(self, *, clock: str = machine.NOW, watchdog: str = "none") -> None:
        """Switch on with the disk as it was left; what was plugged is plugged."""
        self._start(ram=None, clock=clock, watchdog=watchdog)
        self.usb.plug_again()
        self._wait_until_up()

    def _wait_until_up(self) -> None:
        give_up = time.monotonic() + _BOOT_SECONDS
        while _UP not in (said := self.serial()):
            if _PANIC in said or time.monotonic() > give_up or not self.is_alive():
                raise TimeoutError(f"the guest did not come up:\n{said}\n{self._said()}")
            time.sleep(_LOOK_EVERY_SECONDS)
        self.run("true")

    def time(self) -> str:
        """Return its clock, as its hardware clock is told at power-on."""
        return self.run("date", "--utc", "+%Y-%m-%dT%H:%M:%S").strip()

    def power_cut(self) -> None:
        """Pull the plug: the RAM is gone, the disks keep what had reached them."""
        if (pid := self._pid()) is not None:
            os.kill(pid, signal.SIGKILL)
        self.wait_for_the_end()

    def wait_for_the_end(self) -> None:
        """Wait until its QEMU, told to end, has ended."""
        if self._process:
            self._process.wait()
        while self.is_alive():
            time.sleep(_LOOK_EVERY_SECONDS / 10)
        self._hang_up()

    def forget(self) -> None:
        """Pull the plug and throw the guest away."""
        self.power_cut()
        shutil.rmtree(self.folder, ignore_errors=True)

    def is_alive(self) -> bool:
        """Return whether its QEMU runs."""
        if self._process:
            return self._process.poll() is None
        return self._pid() is not None

    def serial(self) -> str:
        """Return what the guest wrote on its serial console since it was switched on."""
        return (self.folder / "serial.log").read_text(errors="replace")

    def _start(self, **options: str | Path | None) -> None:
        if self.is_alive():
            raise RuntimeError(f"{self.name} runs already")
        for socket in ("qmp", "agent"):
            (self.folder / socket).unlink(missing_ok=True)
        (self.folder / "serial.log").write_text("")
        words = machine.command(self.built.debian, self.folder, **options)
        if self._dies_with_us:
            words = [*_DIES_WITH_US, *words]
        with (self.folder / "qemu.log").open("wb") as log:
            self._process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        (self.folder / "pid").write_text(str(self._process.pid))

    def _new_disk(self, behind: Path, kind: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        command = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", behind, "-F", kind]
        subprocess.run([*command, self.folder / "disk.qcow2"], check=True)

    def _pid(self) -> int | None:
        """Return the process id of its QEMU, also if another process started it."""
        try:
            pid = int((self.folder / "pid").read_text())
            words = Path(f"/proc/{pid}/cmdline").read_text()
        except (OSError, ValueError):
            return None
        return pid if f"{self.folder}/" in words else None

    def _said(self) -> str:
        return (self.folder / "qemu.log").read_text(errors="replace")

    def _hang_up(self) -> None:
        for wire in (self._monitor, self._agent):
            if wire:
                wire.close()
        self._process = self._monitor = self._agent = None

    # --- the wires

    @property
    def monitor(self) -> Monitor:
        """QEMU's hands."""
        self._monitor = self._monitor or Monitor(self.folder / "qmp")
        return self._monitor

    @property
    def agent(self) -> Agent:
        """The root shell."""
        self._agent = self._agent or Agent(self.folder / "agent")
        return self._agent

    # --- commands and files

    def call(self, *command: str, stdin: bytes | None = None, seconds: float = 120) -> Done:
        """Run a program in the guest; return how it ended."""
        return self.agent.wait(self.agent.start(list(command), stdin), seconds)

    def run(self, *command: str, stdin: bytes | None = None, seconds: float = 120) -> str:
        """Run a program in the guest; return what it printed, raise Failed unless it ends well."""
        done = self.call(*command, stdin=stdin, seconds=seconds)
        if done.code:
            raise Failed(f"{' '.join(command)}: exit {done.code}\n{done.out}{done.err}")
        return done.out

    def sh(self, script: str, seconds: float = _COMMAND_SECONDS) -> str:
        """Run a shell script in the guest; return what it printed, raise Failed."""
        return self.run("sh", "-ec", script, seconds=seconds)

    def holds(self, condition: str) -> bool:
        """Return whether a shell command in the guest ends with 0."""
        return self.call("sh", "-c", condition).code == 0

    def wait_for(self, condition: str, seconds: float = 30) -> None:
        """Wait in the guest until a shell command ends with 0; raise TimeoutError."""
        rounds = int(seconds / _LOOK_EVERY_SECONDS)
        script = (
            f"end=$(($(date +%s) + {int(seconds) + 1})); for i in $(seq {rounds}); do "
            f"( {condition} ) >/dev/null 2>&1 && exit 0; "
            f"sleep {_LOOK_EVERY_SECONDS}; "
            f"[ $(date +%s) -gt $end ] && exit 1; done; exit 1"
        )
        if self.call("sh", "-c", script, seconds=seconds + 60).code:
            raise TimeoutError(f"not within {seconds} s: {condition}")

    def write(self, path: str, content: str | bytes, mode: str = "644") -> None:
        """Write a file in the guest."""
        self.agent.write(path, content.encode() if isinstance(content, str) else content)
        self.run("chmod", mode, path)

    def read(self, path: str) -> str:
        """Return the content of a file in the guest."""
        return self.run("cat", path)

    def push(self, source: Path, folder: str) -> None:
        """Copy a file or a folder of this machine into a folder of the guest."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            archive.add(source, arcname=source.name)
        self.agent.write("/run/push.tar", packed.getvalue())
        unpack = f"tar xf /run/push.tar -C '{folder}' --no-same-owner && rm /run/push.tar"
        self.sh(f"mkdir -p '{folder}' && {unpack}")

    def set_clock(self, seconds: float) -> None:
        """Set the wall clock, and the hardware clock with it, as somebody who knows would."""
        self.sh(f"date -s @{seconds:.3f} && hwclock --systohc --utc")

    def forward(self, guest_port: int, port: int) -> None:
        """Let 127.0.0.1:port of this machine lead to a port of the guest."""
        line = f"hostfwd_add net tcp:127.0.0.1:{port}-:{guest_port}"
        self.monitor.call("human-monitor-command", command_line=line)

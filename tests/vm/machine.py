"""QEMU's command line: a PC that is quick to emulate, with a Pi's USB and the wires we pull.

A snapshot of the RAM fits only the very same devices, so disks are always plugged later.
"""

from __future__ import annotations

from pathlib import Path

_MEMORY = "768M"
# One processor: two guests run at a time, and code that a kernel patches while another processor
# is in it is emulated wrongly at times.
_BOOT = """console=ttyS0 root=/dev/vda rw quiet mitigations=off random.trust_cpu=on audit=0
    apparmor=0 nokaslr tsc=reliable cryptomgr.notests net.ifnames=0 systemd.show_status=no
    module_blacklist=iTCO_wdt,ahci,lpc_ich,i2c_i801,psmouse,intel_rapl_msr,intel_rapl_common"""
_BASE = """qemu-system-x86_64 -nodefaults -no-user-config -display none -M q35,hpet=off -cpu Nehalem
    -accel tcg -smp 1"""
_DEVICES = """-device virtio-blk-pci,drive=root -device virtio-rng-pci
    -device qemu-xhci,id=usb,p2=8,p3=8 -device i6300esb,id=dog
    -netdev user,id=net,restrict=on -device virtio-net-pci,netdev=net -device virtio-serial-pci
    -device virtserialport,chardev=agent,name=org.qemu.guest_agent.0 -serial chardev:serial"""
_CACHE = "cache=unsafe"
"""The power that is cut is the guest's: what has left it has only to outlive its QEMU, not us."""
USB_BUS = "usb.0"
NOW = "utc"


def command(
    debian: Path, folder: Path, *, ram: Path | None, clock: str = NOW, watchdog: str = "none"
) -> list[str]:
    """Given Debian's folder and the guest's own, return what to start.

    With `ram` the guest goes on from there. `clock` is what the hardware clock says at power-on,
    "utc" (as here) or a time such as 2019-05-01T03:00:00; `watchdog` what a hanging guest gets.
    """
    words = [*_BASE.split(), "-m", _MEMORY, "-rtc", f"base={clock},clock=host"]
    words += ["-kernel", f"{debian}/vmlinux", "-initrd", f"{debian}/initrd"]
    words += ["-append", " ".join(_BOOT.split())]
    disk = f"file={folder}/disk.qcow2,format=qcow2,if=none,id=root,{_CACHE}"
    words += ["-drive", disk, "-action", f"watchdog={watchdog}"]
    words += ["-chardev", f"socket,id=agent,path={folder}/agent,server=on,wait=off"]
    words += ["-chardev", f"file,id=serial,path={folder}/serial.log"]
    words += ["-qmp", f"unix:{folder}/qmp,server=on,wait=off", *_DEVICES.split()]
    return words + (["-incoming", f"exec:cat {ram}"] if ram else [])

"""Where the guest lies, what each part of it was made from, and who uses it just now.

$VM_DIR/debian-KEY/    rootfs/ vmlinux initrd      made from the lists of packages
$VM_DIR/product-KEY/   disk.raw frozen.qcow2 ram at-work/   made from this checkout
$VM_DIR/run/NAME/      one running guest
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
HERE = Path(__file__).parent
GUESTS_AT_MOST = 2
_KEPT = 2
"""Of each kind: this checkout's, and one that another checkout may want again."""
_KEY_LENGTH = 12
_DEBIAN_FROM = (
    "image/common.sh",
    "tests/vm/debian.py",
    "tests/vm/kernel.py",
    "tests/vm/chroot.py",
)
_PRODUCT_FROM = (
    "appliance",
    "image",
    "systemd",
    "requirements.lock",
    "Makefile",
    "tests/vm/product.py",
    "tests/vm/office.py",
    "tests/vm/bystander.py",
    "tests/vm/machine.py",
    "tests/vm/overlay",
)


def home() -> Path:
    """Return the folder for all of it, made if need be."""
    folder = Path(os.environ.get("VM_DIR") or Path.home() / ".cache/appliance-vm")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def debian() -> Path:
    """Return the folder of the slow half that fits this checkout, whether it is there or not."""
    packages = " ".join(makefile_packages())
    return home() / f"debian-{_key(_DEBIAN_FROM, packages + _product_lock())}"


def product() -> Path:
    """Return the folder of the quick half that fits this checkout, whether it is there or not."""
    return home() / f"product-{_key(_PRODUCT_FROM, debian().name)}"


def run(name: str) -> Path:
    """Return the folder of a running guest."""
    return home() / "run" / name


def makefile_packages() -> list[str]:
    """Return the Debian packages that the product needs; the Makefile is their only home."""
    asked = "asked: ; @echo $(RUN_PACKAGES) $(BUILD_PACKAGES)"
    command = ["make", "--silent", "--no-print-directory", f"--eval={asked}", "asked"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(command, cwd=CHECKOUT, env=clean, capture_output=True, check=True)
    return done.stdout.decode().split()


def _product_lock() -> str:
    """Return the part of the lock that a customer's box installs."""
    return (CHECKOUT / "requirements.lock").read_text().partition("# What only tests and")[0]


def _key(parts: tuple[str, ...], more: str) -> str:
    """Given files and folders of the checkout, return a name for just this content of theirs."""
    digest = hashlib.sha256(more.encode())
    for file in sorted(file for part in parts for file in _files(CHECKOUT / part)):
        digest.update(f"{file.relative_to(CHECKOUT)}\0{file.stat().st_mode}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:_KEY_LENGTH]


def _files(path: Path) -> Iterator[Path]:
    found = path.rglob("*") if path.is_dir() else [path]
    yield from (each for each in found if each.is_file() and "__pycache__" not in each.parts)


@contextmanager
def one_builder() -> Iterator[None]:
    """Let one process build at a time; the others wait, then find it built."""
    with (home() / "building").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def in_use(folder: Path) -> Iterator[None]:
    """Keep a built half from being thrown away while a guest runs from it."""
    with (folder / "in-use").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


def forget_old(kind: str, keep: Path) -> None:
    """Throw away the halves of a kind that were used longest ago and are in no use now."""
    found = sorted(home().glob(f"{kind}-*"), key=lambda each: each.stat().st_mtime, reverse=True)
    for folder in [each for each in found if each != keep][_KEPT - 1 :]:
        with suppress(BlockingIOError), (folder / "in-use").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)


@contextmanager
def a_slot(limit_seconds: float = 900) -> Iterator[None]:
    """Wait until fewer than two guests of tests run on this machine, and be one of them."""
    give_up = time.monotonic() + limit_seconds
    while True:
        for number in range(GUESTS_AT_MOST):
            with (home() / f"slot-{number}").open("w") as file, suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield
                return
        if time.monotonic() > give_up:
            raise TimeoutError(f"two other guests run since {limit_seconds} s")
        time.sleep(0.5)

"""Makes the guest, as far as it is not made yet: minutes the first time, a minute after a change
of the product, nothing where nothing changed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.vm import debian, places, product
from tests.vm.guest import Built

_PROGRAMS = [
    "qemu-system-x86_64",
    "qemu-img",
    "mmdebstrap",
    "mke2fs",
    "mkfs.exfat",
    "mkfs.vfat",
    "busybox",
    "zstd",
    "unshare",
]


def lacking() -> list[str]:
    """Return the programs that are missing on this machine; `make test` installs them."""
    search = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return [name for name in _PROGRAMS if shutil.which(name, path=search) is None]


def ensure() -> Built:
    """Return the guest that fits this checkout, built if need be."""
    with places.one_builder():
        built = Built(places.debian(), places.product())
        if not built.product.exists():
            _build(built) if os.getuid() == 0 else _build_as_root()
        for folder in (built.debian, built.product):
            folder.touch()
        places.forget_old("product", built.product)
        places.forget_old("debian", built.debian)
    return built


def _build(built: Built) -> None:
    if not built.debian.exists():
        _say("Making the guest of the VM tests (some minutes, once)")
        debian.make(built.debian)
    _say("Installing this checkout in the guest of the VM tests (a minute)")
    product.make(built.product, built.debian)
    _give_back(places.home())


def _build_as_root() -> None:
    """Debian's files belong to many users, so they are laid down by root."""
    settings = [f"VM_DIR={places.home()}", f"PYTHONPATH={places.CHECKOUT}"]
    code = "from tests.vm import build, places; build.build_now()"
    command = ["sudo", "--non-interactive", *settings, sys.executable, "-c", code]
    subprocess.run(command, check=True, cwd=places.CHECKOUT)


def build_now() -> None:
    """Build while the process that called holds the lock."""
    _build(Built(places.debian(), places.product()))


def _give_back(folder: Path) -> None:
    """Under sudo, let the user have what is not part of Debian."""
    if "SUDO_UID" not in os.environ:
        return
    owner = int(os.environ["SUDO_UID"]), int(os.environ["SUDO_GID"])
    for each in [folder, *folder.glob("*"), *folder.glob("*/*"), *folder.glob("run/*/*")]:
        os.chown(each, *owner)


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)

"""The slow half of the guest, made once: Debian, a kernel with gpio-sim, and the product's .venv.

All that needs the network happens here, natively. The kernel comes from backports, the only place
in stable Debian that has gpio-sim.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
from pathlib import Path

from tests.vm import chroot, kernel, places

_SUITE = "trixie"  # what Raspberry Pi OS is made from
_KERNEL = ("linux-image-amd64", "linux-modules-amd64", "linux-base-amd64", "linux-base")
_PACKAGES = [
    "systemd-sysv",
    "udev",
    "dbus",
    "polkitd",
    "sudo",
    "systemd-timesyncd",
    "kmod",
    "qemu-guest-agent",
    "iproute2",
    "procps",
    "psmisc",
    "usbutils",
    "fdisk",
    "e2fsprogs",
    "exfatprogs",
    "dosfstools",
    "smartmontools",
    "sg3-utils",
    "util-linux-extra",
    "openssh-server",
    "python3",
    "python3-venv",
    "make",
]
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_LEFT_OUT = ("doc", "man", "locale", "info")
_PIP_SETTINGS = ("index-url", "extra-index-url", "proxy", "trusted-host", "timeout", "retries")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy")
_CERTIFICATES = "root/certificates.pem"
"""Whom this machine trusts as an index of packages; only while building."""


def make(folder: Path) -> None:
    """Given where it is to lie, make Debian there; a half made one never has this name."""
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    _debootstrap(part / "rootfs")
    _make_venv(part / "rootfs")
    _make_bootable(part)
    part.rename(folder)


def _debootstrap(root: Path) -> None:
    key = f"[signed-by={_KEYRING}]"
    suites = (_SUITE, f"{_SUITE}-updates", f"{_SUITE}-backports")
    backported = [f"{name}/{_SUITE}-backports" for name in _KERNEL]
    packages = [*_PACKAGES, *places.makefile_packages(), *backported]
    options = ["--quiet", "--variant=apt", "--mode=root", "--skip=cleanup/reproducible"]
    options += ["--aptopt=Apt::Install-Recommends false", "--aptopt=Acquire::Languages none"]
    options += [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _LEFT_OUT]
    sources = [f"deb {key} {_archive()} {suite} main" for suite in suites]
    command = ["mmdebstrap", *options, f"--include={','.join(packages)}", _SUITE, str(root)]
    subprocess.run([*command, *sources], check=True)


def _make_venv(root: Path) -> None:
    """Make the Python packages as `make install` does, which then finds them made."""
    source = root / "root/packages"
    (source / "image").mkdir(parents=True)
    for name in ("requirements.lock", "image/common.sh", "image/install.sh"):
        shutil.copy(places.CHECKOUT / name, source / name)
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    settings = _pip_config()
    if "cert" in settings:
        shutil.copy(settings["cert"], root / _CERTIFICATES)
    install = ("sh", "/root/packages/image/install.sh", "packages")
    chroot.run(root, *install, environment=_pip_environment(settings))
    shutil.rmtree(source)
    for name in (_CERTIFICATES, "etc/resolv.conf"):
        (root / name).unlink(missing_ok=True)


def _archive() -> str:
    """Return the Debian archive that this machine itself installs from."""
    if given := os.environ.get("VM_MIRROR"):
        return given
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    found = [line.rstrip("/") for line in lines if line.rstrip("/").endswith("/debian")]
    if not found:
        raise LookupError("apt knows no Debian archive here; name one in VM_MIRROR")
    return found[0]


def _pip_config() -> dict[str, str]:
    """Return pip's settings on this machine by name, those of the environment last."""
    command = ["python3", "-m", "pip", "config", "list"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    pairs = [line.partition("=") for line in lines if "=" in line]
    return {key.rsplit(".", 1)[-1]: str(ast.literal_eval(value)) for key, _, value in pairs}


def _pip_environment(settings: dict[str, str]) -> dict[str, str]:
    """Given pip's settings here, return an environment in which it reaches the same in the guest.

    Folders of this machine are not there, so what names them is left out.
    """
    kept = {name: value for name, value in os.environ.items() if name.lower() in _PROXIES}
    for name in set(_PIP_SETTINGS) & settings.keys():
        reachable = [each for each in settings[name].split() if not each.startswith(("file:", "/"))]
        if reachable:
            kept["PIP_" + name.upper().replace("-", "_")] = " ".join(reachable)
    if "cert" in settings:
        kept |= dict.fromkeys(("PIP_CERT", "SSL_CERT_FILE"), f"/{_CERTIFICATES}")
    return kept


def _make_bootable(folder: Path) -> None:
    modules = next((folder / "rootfs/usr/lib/modules").iterdir())
    kernel.unpack_modules(modules)
    subprocess.run(["chroot", folder / "rootfs", "depmod", modules.name], check=True)
    image = folder / f"rootfs/boot/vmlinuz-{modules.name}"
    (folder / "vmlinux").write_bytes(kernel.elf_kernel(image))
    busybox = shutil.which("busybox")
    if busybox is None:
        raise FileNotFoundError("busybox (package busybox-static) is missing")
    (folder / "initrd").write_bytes(kernel.initrd(modules, Path(busybox)))

"""A machine inside this one: its own /etc, /opt, /var and /run, this one's /usr, no systemd.

`make install` does everything in it that it does on a customer's machine but start the services.
Its mounts are in a namespace of their own: this machine never sees them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
PARTS = ("appliance", "image", "systemd", "Makefile", "requirements.lock", "pyproject.toml")
PYTHON = "/usr/bin/python3"
_ETC = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "os-release", "localtime")
_FOLDERS = (
    *("dev", "proc", "tmp", "run", "etc", "opt", "var/lib", "mnt", "root"),
    *("usr/local/bin", "usr/src"),
    *("usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "usr/libexec", "usr/share"),
)
_ENTER = """set -e
for each in dev proc; do mount --rbind "/$each" "$0/$each"; done
for each in bin sbin lib lib64 libexec share; do
    [ ! -d "/usr/$each" ] || mount --bind "/usr/$each" "$0/usr/$each"
done
mount -t tmpfs tmpfs "$0/tmp"
mkdir -p "$0$1"
mount --bind "$1" "$0$1"
root=$0; shift
exec chroot "$root" env --chdir=/usr/src/appliance "$@"
"""
_USERS = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"


def why_not() -> str:
    """Return why such a machine cannot be made here; empty where it can."""
    if os.geteuid() != 0:
        return "needs root: it makes users and mounts in a root of its own"
    tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    return "needs a mount namespace of its own" if tried.returncode else ""


def site_packages() -> Path:
    """Where the packages of the product are for the Python that runs the tests."""
    return Path(sysconfig.get_paths()["purelib"])


class AnotherRoot:
    """The folder of such a machine."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def made(cls, path: Path) -> AnotherRoot:
        for name in _FOLDERS:
            (path / name).mkdir(parents=True)
        for name in ("bin", "sbin", "lib", "lib64"):
            (path / name).symlink_to(f"usr/{name}")
        for name in _ETC:
            subprocess.run(["cp", "-a", f"/etc/{name}", path / "etc"], check=False)
        (path / "etc/passwd").write_text(_USERS)
        (path / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")
        return cls(path)

    def copy(self, to: Path) -> AnotherRoot:
        """A second machine, just like this one."""
        subprocess.run(["cp", "-a", self.path, to], check=True)
        return AnotherRoot(to)

    def check_out(self, source: Path = CHECKOUT) -> Path:
        """Lay a checkout into it, as somebody who copies the folder does."""
        there = self.path / "usr/src/appliance"
        shutil.rmtree(there, ignore_errors=True)
        for name in PARTS:
            if (source / name).is_dir():
                leave = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source / name, there / name, ignore=leave)
            else:
                shutil.copy(source / name, there / name)
        return there

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a program in it, from the checkout."""
        bare = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
        apart = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _ENTER]
        return subprocess.run(
            [*apart, str(self.path), str(site_packages()), *command],
            env=bare | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def make(self, target: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run make in it, with the system packages that this machine has anyway."""
        return self.run("make", target, "RUN_PACKAGES=", "BUILD_PACKAGES=", **environment)

    def have_packages(self) -> None:
        """Lay the Python packages ready, as an image builder does: those the tests run with."""
        asked = self.run("sh", "image/install.sh", "fingerprint").stdout
        venv = self.path / "opt/appliance/.venv"
        made = self.run(PYTHON, "-m", "venv", "--without-pip", "/opt/appliance/.venv")
        assert made.returncode == 0, made.stderr
        (packages,) = venv.glob("lib/python3*/site-packages")
        (packages / "lent.pth").write_text(f"{site_packages()}\n")
        (venv / "ready").write_text(asked)

    def file(self, name: str) -> Path:
        """Return where a file of it lies for us."""
        return self.path / name.lstrip("/")


def same_python() -> bool:
    """Whether the packages of the tests fit the system's Python."""
    asked = [PYTHON, "-c", "import sys; print(sys.version_info[:2])"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    return done.stdout.strip() == str(sys.version_info[:2])

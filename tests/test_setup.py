"""`make` on a fresh machine: what it installs, and what it says where it cannot."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
_SETUP = (
    "Makefile",
    "image/common.sh",
    "image/setup.sh",
    "requirements.lock",
    "pyproject.toml",
)


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """What a machine has that knows only the project's own files for setting up."""
    folder = tmp_path / "a fresh checkout"
    folder.mkdir()
    for name in _SETUP:
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return folder


def _make(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env=kept | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def _path_without(tmp_path: Path, *hidden: str) -> str:
    folder = tmp_path / "bin"
    folder.mkdir()
    for place in os.environ["PATH"].split(":"):
        for program in Path(place).glob("*") if Path(place).is_dir() else ():
            link = folder / program.name
            if program.name not in hidden and not link.is_symlink():
                link.symlink_to(program)
    return str(folder)


def _program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_make_alone_lists_the_targets():
    told = _make(ROOT).stdout
    for target in ("run", "test", "lint", "bench", "venv", "install", "uninstall", "lock"):
        assert re.search(rf"^  make {target} +\w", told, re.MULTILINE)


def test_a_second_call_adds_less_than_five_seconds():
    if not (ROOT / ".venv" / "ready").exists():
        pytest.skip("this environment was not made by `make venv`")
    began = time.monotonic()
    assert _make(ROOT, "venv").returncode == 0
    assert time.monotonic() - began < 5


@pytest.mark.slow
def test_without_network_a_sentence_says_so_and_no_traceback(fresh):
    closed = {
        "PIP_INDEX_URL": "http://127.0.0.1:9/",
        "PIP_RETRIES": "0",
        "PIP_CONFIG_FILE": "/dev/null",
    }
    told = _make(fresh, "venv", **closed)
    assert told.returncode != 0
    assert "No connection to the package servers" in told.stderr
    assert "run the same command again" in told.stderr
    assert "Traceback" not in told.stdout + told.stderr
    assert not (fresh / ".venv" / "ready").exists()


def test_an_old_python_is_told_from_a_new_one(fresh, tmp_path):
    old = _program(tmp_path / "python3", '[ "$1" = -V ] && echo Python 3.9.2; exit 1')
    told = _make(fresh, "venv", f"PYTHON={old}")
    assert told.returncode != 0
    assert "Python 3.11 or newer" in told.stderr
    assert "Python 3.9.2" in told.stderr


def test_another_system_is_told_which_packages_it_needs(fresh, tmp_path):
    path = _path_without(tmp_path, "apt-get", "dpkg-query")
    told = _make(fresh, "venv", PATH=path)
    assert told.returncode != 0
    assert "not Debian" in told.stderr
    assert "nginx-light" in told.stderr


def test_without_sudo_an_ordinary_user_is_told_what_to_ask_for(fresh, tmp_path):
    path = _path_without(tmp_path, "sudo", "id", "dpkg-query")
    _program(Path(path) / "id", "echo 1000")
    _program(Path(path) / "dpkg-query", "exit 1")
    told = _make(fresh, "venv", PATH=path)
    assert told.returncode != 0
    assert "apt-get install python3-venv" in told.stderr


def test_apt_that_fails_without_network_says_so(fresh, tmp_path):
    path = _path_without(tmp_path, "id", "dpkg-query", "apt-get")
    _program(Path(path) / "id", "echo 0")
    _program(Path(path) / "dpkg-query", "exit 1")
    _program(Path(path) / "apt-get", "echo E: Failed to fetch nginx; exit 100")
    told = _make(fresh, "venv", PATH=path)
    assert told.returncode != 0
    assert "No connection to the package servers" in told.stderr


def test_only_what_is_missing_is_asked_of_apt_with_sudo_when_not_root(fresh, tmp_path):
    path = _path_without(tmp_path, "sudo", "id", "dpkg-query", "apt-get")
    asked = tmp_path / "asked"
    _program(Path(path) / "id", "echo 1000")
    missing = '[ "$4" = gcc ] && exit 1; echo installed'
    _program(Path(path) / "dpkg-query", missing)
    _program(Path(path) / "apt-get", f'echo "$@" >>"{asked}"; exit 0')
    _program(Path(path) / "sudo", f'echo sudo >>"{asked}"; exec "$@"')
    _make(fresh, "venv", "PYTHON=false", PATH=path)
    assert asked.read_text().split("\n")[:4] == [
        "sudo",
        "-q update",
        "sudo",
        "-qy install --no-install-recommends gcc",
    ]


def test_a_service_that_came_along_is_stopped_and_one_that_was_there_is_not(fresh, tmp_path):
    path = _path_without(tmp_path, "id", "dpkg-query", "apt-get", "service", "update-rc.d")
    services, asked = tmp_path / "init.d", tmp_path / "asked"
    services.mkdir()
    (services / "ssh").touch()
    _program(Path(path) / "id", "echo 0")
    _program(Path(path) / "dpkg-query", "exit 1")
    _program(Path(path) / "apt-get", f"touch '{services}/nginx' '{services}/cron'")
    for program in ("service", "update-rc.d"):
        _program(Path(path) / program, f'echo {program} "$@" >>"{asked}"')
    _make(fresh, "venv", "PYTHON=false", PATH=path, SERVICES=str(services))
    assert asked.read_text().splitlines() == ["service nginx stop", "update-rc.d nginx disable"]


def test_the_lock_pins_every_package_by_hash_and_names_no_host():
    text = (ROOT / "requirements.lock").read_text()
    packages = re.split(r"(?m)^(?=[a-z0-9])", text)[1:]
    assert len(packages) > 40
    assert all("==" in package and "--hash=sha256:" in package for package in packages)
    assert "://" not in text
    assert "index-url" not in text


def test_every_package_to_build_borg_with_stands_before_borg():
    text = (ROOT / "requirements.lock").read_text()
    first, rest = text.split("# What the product needs.\n")
    for name in ("setuptools", "setuptools-scm", "cython", "pkgconfig", "wheel", "packaging"):
        assert re.search(rf"^{name}==", first, re.MULTILINE)
        assert not re.search(rf"^{name}==", rest, re.MULTILINE)
    assert "borgbackup==" in rest


def test_the_tools_of_tests_and_checks_stand_apart_from_the_product():
    text = (ROOT / "requirements.lock").read_text()
    product, tools = text.split("# What only tests and checks need.\n")
    for name in ("pytest", "mypy", "ruff", "moto", "playwright", "aiosmtpd"):
        assert re.search(rf"^{name}==", tools, re.MULTILINE)
        assert not re.search(rf"^{name}==", product, re.MULTILINE)
    seen = subprocess.run([sys.executable, "-c", "import pytest"], capture_output=True, check=False)
    assert b"ModuleNotFoundError" in seen.stderr


def test_every_program_that_the_tests_start_comes_with_a_package():
    makefile = (ROOT / "Makefile").read_text()
    for package in ("faketime", "curl", "unzip", "zip", "strace", "zstd", "restic"):
        assert re.search(
            rf"^[A-Z_]+ += .*\b{package}\b", makefile.replace("\\\n", ""), re.MULTILINE
        )


def test_system_packages_are_named_in_one_place():
    named = [
        path.name
        for path in (ROOT / "Makefile", *(ROOT / "image").glob("*.sh"), ROOT / ".ci" / "run")
        if "libacl1-dev" in path.read_text()
    ]
    assert named == ["Makefile"]


def test_every_rule_that_is_switched_off_has_a_reason_beside_it():
    text = (ROOT / "pyproject.toml").read_text()
    ignored = re.findall(r'^ +"[A-Z]+[0-9]*",(.*)$', text, re.MULTILINE)
    assert ignored
    assert all(re.match(r" +# \S", rest) for rest in ignored)
    paths = [*ROOT.glob("appliance/**/*.py"), *ROOT.glob("tests/**/*.py")]
    bare = [
        f"{path.name}: {line.strip()}"
        for path in paths
        for line in path.read_text(encoding="utf-8").splitlines()
        if path != Path(__file__) and _switches_off_without_reason(line)
    ]
    assert bare == []


def _switches_off_without_reason(line: str) -> bool:
    """`noqa: X - why`, `type: ignore[x]  # why`; one line may hold both before its reason."""
    found = re.search(r"# (noqa|type: ignore)(?P<rest>.*)", line)
    return bool(found) and not re.search(r"\w+\]? +[-#] \S", found["rest"])

"""`sudo make install` on a machine: laid down whole, upgraded in one step, removed without loss."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from appliance.system.machine import Machine
from tests.systemd.another_root import CHECKOUT, PARTS
from tests.systemd.units import ETC

pytestmark = pytest.mark.slow

RELEASES = "/opt/appliance/releases"


def system_files():
    return [f"/etc/{path.relative_to(ETC)}" for path in sorted(ETC.rglob("*")) if path.is_file()]


def releases(root):
    return sorted(path.name for path in root.file(RELEASES).iterdir())


def says(root, *words):
    done = root.run("/usr/local/bin/appliance", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def fingerprint(*folders):
    """Names, modes, owners and contents of everything below some folders."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            facts = path.lstat()
            digest.update(f"{path}\0{facts.st_mode}\0{facts.st_uid}\0{facts.st_gid}\0".encode())
            if path.is_file() and not path.is_symlink():
                digest.update(path.read_bytes())
    return digest.hexdigest()


def owner(root, name):
    found = Machine(root.path).owned(root.file(name))
    return found.user, found.group, found.mode


def test_everything_is_laid_down_and_starts_with_the_machine(installed):
    for name in system_files():
        assert installed.file(name).read_bytes() == (CHECKOUT / f"systemd{name}").read_bytes()
    wants = installed.file("/etc/systemd/system/multi-user.target.wants")
    assert sorted(path.name for path in wants.iterdir()) == [
        "appliance-panel.service",
        "appliance-web.service",
        "appliance-worker.service",
    ]
    assert (installed.path / "opt/appliance/current/whole").exists()


def test_the_program_runs_from_its_release_and_not_from_the_checkout(installed):
    shutil.rmtree(installed.file("/usr/src/appliance/appliance"))

    assert "0 sources" in says(installed, "check")
    where = "import appliance; print(appliance.__file__)"
    done = installed.run("/opt/appliance/.venv/bin/python", "-I", "-c", where)
    assert done.stdout.startswith(f"{RELEASES}/")


def test_a_hostile_folder_that_one_stands_in_is_not_looked_into(installed):
    trap = installed.file("/usr/src/appliance/appliance")
    (trap / "__init__.py").write_text("raise SystemExit('caught')")

    assert "0 sources" in says(installed, "check")


def test_the_first_configuration_says_nothing_and_is_the_worker_s(installed):
    text = installed.file("/etc/appliance/appliance.toml").read_text()
    assert "[[source]]" not in text
    assert "@" not in text
    assert owner(installed, "/etc/appliance/appliance.toml") == ("appliance", "appliance", 0o640)
    assert owner(installed, "/etc/appliance") == ("root", "appliance", 0o1770)
    assert owner(installed, "/etc/appliance/credentials") == ("root", "root", 0o700)
    assert owner(installed, "/var/lib/appliance") == ("appliance", "appliance", 0o700)
    assert owner(installed, "/var/lib/appliance-web") == ("appliance-web", "appliance-web", 0o700)
    assert owner(installed, "/run/appliance") == ("appliance", "appliance-clients", 0o2750)


def test_nobody_but_root_may_change_the_program(installed):
    loose = [
        str(path)
        for path in installed.file("/opt/appliance").rglob("*")
        if not path.is_symlink() and (path.stat().st_uid != 0 or path.stat().st_mode & 0o022)
    ]
    assert loose == []


def test_what_root_does_with_the_box_s_files_it_does_as_the_worker(installed):
    """Else the next backup fails in the night over a file of root's."""
    assert "Nothing was done yet" in says(installed, "history")

    state = installed.file("/var/lib/appliance")
    assert [path.name for path in state.iterdir() if path.stat().st_uid == 0] == []
    assert (state / "ledger.sqlite").exists()


PAGE_USER = (
    *("setpriv", "--reuid=appliance-web", "--regid=appliance-web"),
    "--groups=appliance-clients,appliance",
)


def test_E12_from_a_shell_as_the_page_s_user_no_key_and_no_disk_is_seen(installed):
    data_on(installed)
    (installed.file("/etc/appliance/credentials") / "crm").write_text("secret")
    for path in (
        *("/var/lib/appliance/ledger.sqlite", "/var/lib/appliance/secrets/disk-a"),
        "/etc/appliance/credentials/crm",
    ):
        seen = installed.run(*PAGE_USER, "cat", path)
        assert "Permission denied" in seen.stderr, path
    assert installed.run(*PAGE_USER, "cat", "/etc/appliance/appliance.toml").returncode == 0
    changed = installed.run(*PAGE_USER, "sh", "-c", "echo >> /etc/appliance/appliance.toml")
    assert changed.returncode != 0


def test_the_page_runs_as_its_own_user_and_leaves_nothing_of_root_s(installed):
    installed.file("/etc/appliance/appliance.toml").write_text(
        '[web]\nlisten = "127.0.0.1:58080"\n'
    )
    page = ("env", "STATE_DIRECTORY=/var/lib/appliance-web", "timeout", "4")
    done = installed.run(*PAGE_USER, *page, "/usr/local/bin/appliance", "web")
    assert "page=ready https://127.0.0.1:58080/" in done.stderr, done.stderr

    assert "It works once" in says(installed, "web", "claim")
    assert len(says(installed, "fingerprint")) == 95
    for file in installed.file("/var/lib/appliance-web").iterdir():
        assert owner(installed, f"/var/lib/appliance-web/{file.name}") == (
            *("appliance-web", "appliance-web"), 0o600,
        )  # fmt: skip


def data_on(root):
    """A box with settings, a record, a paired disk, and a place where it is mounted."""
    root.file("/etc/appliance/appliance.toml").write_text('[appliance]\nname = "Ours"\n')
    (root.file("/var/lib/appliance") / "ledger.sqlite").write_bytes(os.urandom(9999))
    (root.file("/var/lib/appliance") / "secrets").mkdir()
    (root.file("/var/lib/appliance") / "secrets/disk-a").write_text("words\n")
    (root.file("/mnt/appliance") / "disk-a").mkdir()
    (root.file("/mnt/appliance") / "disk-a/backup").write_text("bytes")
    root.file("/etc/systemd/system/mnt-appliance-disk\\x2da.mount").write_text("[Mount]\n")
    return lambda: fingerprint(
        *map(root.file, ("/etc/appliance", "/var/lib/appliance", "/mnt/appliance"))
    )


def test_a_second_installation_changes_nothing(installed):
    of_data = data_on(installed)
    before = of_data(), fingerprint(installed.file("/opt/appliance/releases"))
    done = installed.make("install")

    assert done.returncode == 0, done.stderr
    after = of_data(), fingerprint(installed.file("/opt/appliance/releases"))
    assert after == before


def another_version(folder):
    """A later version: another number, a unit more, one that is gone, one that changed."""
    source = folder / "later"
    shutil.copytree(CHECKOUT, source, ignore=shutil.ignore_patterns(".*", "__pycache__", "tests"))
    (source / "appliance/__init__.py").write_text('__version__ = "9.9"\n')
    units = source / "systemd/etc/systemd/system"
    shutil.copy(units / "appliance-pair.service", units / "appliance-more.service")
    (units / "appliance-smart@.service").unlink()
    with (units / "appliance-panel.service").open("a") as unit:
        unit.write("# later\n")
    return source


_SMALL = """import click
from . import __version__
main = click.version_option(__version__)(click.Command("appliance"))
"""


def small_version(folder):
    """A later version whose program says its number and no more: compiling all of ours takes most
    of an installation's time, and where that may be killed does not depend on the program.
    """
    source = another_version(folder)
    for each in (source / "appliance").iterdir():
        if each.name != "__init__.py":
            shutil.rmtree(each) if each.is_dir() else each.unlink()
    (source / "appliance/cli.py").write_text(_SMALL)
    return source


def test_an_upgrade_takes_the_old_away_and_keeps_the_data(installed, tmp_path):
    of_data = data_on(installed)
    before = of_data()
    installed.check_out(another_version(tmp_path))
    done = installed.make("install")

    assert done.returncode == 0, done.stderr
    assert says(installed, "--version").endswith("9.9")
    assert len(releases(installed)) == 1
    units = installed.file("/etc/systemd/system")
    assert (units / "appliance-more.service").exists()
    assert not (units / "appliance-smart@.service").exists()
    assert (units / "appliance-panel.service").read_text().endswith("# later\n")
    assert (units / "mnt-appliance-disk\\x2da.mount").exists()
    assert of_data() == before
    installed.check_out()
    assert installed.make("install").returncode == 0
    assert not (units / "appliance-more.service").exists()


_SHIM = """#!/bin/sh
count=$(($(cat /root/count) + 1))
echo $count >/root/count
[ $count != "$(cat /root/die-at)" ] || kill -9 0
exec {program} "$@"
"""
_CHANGING = ("mv", "ln", "rm", "mkdir", "tar", "chmod", "sync", "cp", "systemctl")


def dying(root, at):
    """Run the installation; it and all its programs are killed at its so-manieth change (0: it is
    let through).
    """
    shims = root.file("/root/shims")
    shims.mkdir(exist_ok=True)
    for name in _CHANGING:
        # What is killed here is no machine: nothing need be flushed, each time all of ours at that.
        program = "/usr/bin/true" if name == "sync" else f"/usr/bin/{name}"
        (shims / name).write_text(_SHIM.format(program=program))
        (shims / name).chmod(0o755)
    root.file("/root/count").write_text("0")
    root.file("/root/die-at").write_text(str(at))
    path = "/root/shims:/usr/sbin:/usr/bin:/sbin:/bin"
    return root.run(
        "setsid", "--wait", "make", "install", "RUN_PACKAGES=", "BUILD_PACKAGES=", PATH=path
    )


def test_E17_an_upgrade_that_is_killed_anywhere_leaves_the_old_or_the_new(installed, tmp_path):
    later = small_version(tmp_path)
    at, seen = 0, set()
    while True:
        at += 1
        machine = installed.copy(tmp_path / "killed")
        machine.check_out(later)
        done = dying(machine, at)
        version = says(machine, "--version").split()[-1]
        seen.add(version)
        if done.returncode == 0:
            break
        assert dying(machine, 0).returncode == 0
        assert says(machine, "--version").endswith("9.9")
        assert len(releases(machine)) == 1
        for name in ("appliance-more.service", "appliance-worker.service"):
            there = machine.file(f"/etc/systemd/system/{name}")
            assert there.read_bytes() == (later / f"systemd/etc/systemd/system/{name}").read_bytes()
        shutil.rmtree(machine.path)
    print(f"killed at {at - 1} places")
    assert at > 20
    assert seen == {"0.1.0", "9.9"}


def test_a_first_installation_that_is_killed_is_made_whole_by_the_next(fresh, tmp_path):
    fresh.check_out(small_version(tmp_path))
    at = 0
    while True:
        at += 7
        machine = fresh.copy(tmp_path / "killed")
        done = dying(machine, at)
        if done.returncode == 0:
            break
        assert dying(machine, 0).returncode == 0
        assert says(machine, "--version").endswith("9.9")
        shutil.rmtree(machine.path)
    assert at > 20


def test_packages_that_cannot_be_fetched_leave_the_old_program_as_it_is(installed):
    lock = installed.file("/usr/src/appliance/requirements.lock")
    lock.write_text(
        "# Needed first: nothing.\n# What the product needs.\nnot-there==1.0 --hash=sha256:"
        + "0" * 64
        + "\n"
    )
    closed = {
        "PIP_INDEX_URL": "http://127.0.0.1:9/",
        "PIP_RETRIES": "0",
        "PIP_CONFIG_FILE": "/dev/null",
    }
    done = installed.make("install", **closed)

    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert says(installed, "--version").endswith("0.1.0")


def test_two_installations_at_once_are_one_too_many(installed):
    with installed.file("/opt/appliance/.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = installed.make("install")

    assert done.returncode != 0
    assert "Another installation is at work" in done.stderr


def test_uninstalling_takes_all_of_ours_and_nothing_of_theirs(installed):
    of_data = data_on(installed)
    before = of_data()
    done = installed.make("uninstall")

    assert done.returncode == 0, done.stderr
    assert "because they are yours" in done.stderr
    assert of_data() == before
    left = [str(path) for path in installed.file("/etc").rglob("*appliance*") if not path.is_dir()]
    assert sorted(map(os.path.basename, left)) == [
        "appliance.toml",
        "mnt-appliance-disk\\x2da.mount",
    ]
    assert not installed.file("/opt/appliance").exists()
    assert not os.path.lexists(installed.file("/usr/local/bin/appliance"))
    assert "appliance:" in installed.file("/etc/passwd").read_text()


def test_uninstalling_works_without_the_checkout_and_twice(installed):
    shutil.rmtree(installed.file("/usr/src/appliance"))
    installed.file("/usr/src/appliance").mkdir()
    script = "/opt/appliance/current/image/install.sh"
    assert installed.run("sh", script, "uninstall").returncode == 0
    installed.check_out()
    assert installed.make("uninstall").returncode == 0


def test_after_uninstalling_the_next_installation_finds_all_data(installed, bare):
    of_data = data_on(installed)
    before = of_data()
    assert installed.make("uninstall").returncode == 0
    installed.have_packages()
    done = installed.make("install")

    assert done.returncode == 0, done.stderr
    assert of_data() == before


def test_below_a_destdir_files_are_laid_and_nothing_is_started(tmp_path):
    """A folder that an image is made from, and that has no Python of its own."""
    if os.geteuid() != 0:
        pytest.skip("needs root: files are given to their owners")
    root = tmp_path / "image"
    root.mkdir()
    command = ["make", "--no-print-directory", "install", f"DESTDIR={root}"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(
        command, cwd=CHECKOUT, env=clean, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "The services start at the next boot" in done.stderr
    for name in system_files():
        assert (root / name.lstrip("/")).is_file()
    assert (
        root / "etc/systemd/system/multi-user.target.wants/appliance-worker.service"
    ).is_symlink()
    link = (root / "usr/local/bin/appliance").readlink()
    assert str(link) == "/opt/appliance/.venv/bin/appliance"


def test_an_ordinary_user_is_told_to_use_sudo(tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "id").write_text("#!/bin/sh\necho 1000\n")
    (folder / "id").chmod(0o755)
    env = {"PATH": f"{folder}:{os.environ['PATH']}"}
    for target in ("install", "uninstall"):
        done = subprocess.run(
            ["make", "--no-print-directory", target],
            cwd=CHECKOUT, env=env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode != 0
        assert f"sudo make {target}" in done.stderr


def test_the_parts_of_a_checkout_that_the_installation_needs_are_all_there():
    assert all((CHECKOUT / name).exists() for name in PARTS)
    assert Path(CHECKOUT / "image/first.toml").is_file()

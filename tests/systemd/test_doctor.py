"""The doctor: nothing is wrong with an installation in order; each planted fault has its cure."""

import json
import os
import shutil
import subprocess
import sys
from datetime import timedelta

import pytest

from appliance import doctor
from appliance.doctor import Installation, laid_down, running, settings, surroundings
from appliance.system import machine as facts
from appliance.system.machine import Machine
from tests.systemd.another_root import why_not

pytestmark = pytest.mark.slow

UUID = "4f0c7a7e-2c1b-4d3a-9f60-0d9a5f1c2b3d"
CONFIGURATION = f"""
[appliance]
name = "Office"

[[source]]
name = "by-hand"
type = "inbox"
path = "/srv/inbox"

[[repository]]
name = "disk-a"
disk = "{UUID}"
passphrase = "${{secret:disk-a}}"

[panel]
button = 17
led_office = 22
led_cloud = 23
led_attention = 24
"""
_NOT_OURS = {"clock", "host_name", "watchdog", "memory", "room", "programs", "permissions"}
"""What depends on the machine that the tests run on."""


@pytest.fixture
def box(installed):
    """An installation with an inbox, a paired disk and a panel, all in order."""
    users = Machine(installed.path).users()
    root = installed.path
    configuration = root / "etc/appliance/appliance.toml"
    configuration.write_text(CONFIGURATION)
    (root / "mnt/appliance/disk-a").mkdir()
    unit = root / "etc/systemd/system/mnt-appliance-disk\\x2da.mount"
    unit.write_text(f"[Mount]\nWhat=/dev/disk/by-uuid/{UUID}\nWhere=/mnt/appliance/disk-a\n")
    secrets = root / "var/lib/appliance/secrets"
    secrets.mkdir(mode=0o700)
    (secrets / "disk-a").write_text("words\n")
    (secrets / "disk-a").chmod(0o600)
    for path in (secrets, secrets / "disk-a"):
        os.chown(path, users["appliance"], users["appliance"])
    return Installation(configuration, Machine(root))


def found(box, check):
    """What a check says is not in order, each with its cure."""
    return [each for each in check(box) if each.state != "ok"]


def only(box, check):
    (finding,) = found(box, check)
    return finding


def test_an_installation_in_order_has_nothing_wrong(box, monkeypatch):
    monkeypatch.setattr(facts, "is_immutable", lambda _: True)
    (box.machine.root / "dev").mkdir(exist_ok=True)
    findings = doctor.examine(box.configuration, box.machine)

    wrong = [each for each in findings if each.state == "bad" and each.name not in _NOT_OURS]
    assert [each for each in wrong if each.name != "pins"] == []
    assert sum(each.state == "ok" for each in findings) > 20


def test_a_file_that_somebody_changed_or_removed_is_named(box):
    units = box.machine.root / "etc/systemd/system"
    (units / "appliance-flush@.service").unlink()
    with (units / "appliance-worker.service").open("a") as unit:
        unit.write("User=root\n")
    missing, changed = found(box, laid_down.system_files)

    assert "appliance-flush@.service is missing" in missing.sentence
    assert "make install" in missing.todo
    assert "appliance-worker.service is not as it was shipped" in changed.sentence
    assert "systemctl edit" in changed.todo


def test_an_upgrade_that_was_cut_off_is_seen(box):
    (box.machine.root / "opt/appliance/releases/older").mkdir()
    assert "cut off" in only(box, laid_down.program).sentence
    (box.machine.root / "opt/appliance/current/whole").unlink()
    assert only(box, laid_down.program).state == "bad"


def test_a_user_that_is_missing_or_in_too_few_groups_is_named(box):
    groups = box.machine.root / "etc/group"
    lines = groups.read_text().splitlines()
    groups.write_text(
        "\n".join(x.removesuffix("appliance-panel") if x.startswith("gpio:") else x for x in lines)
    )
    assert "appliance-panel in the group gpio" in only(box, laid_down.users).sentence
    users = box.machine.root / "etc/passwd"
    users.write_text(
        "\n".join(x for x in users.read_text().splitlines() if "appliance-panel" not in x)
    )
    assert "user appliance-panel" in only(box, laid_down.users).sentence


@pytest.mark.parametrize(
    ("path", "mode", "owner", "says"),
    [
        ("etc/appliance/appliance.toml", 0o644, None, "others may read it"),
        ("var/lib/appliance", 0o755, None, "not the worker's alone"),
        ("var/lib/appliance", None, "root", "not the worker's alone"),
        ("etc/appliance/credentials", 0o755, None, "not root's"),
        ("etc/appliance/credentials", None, "appliance", "not root's"),
        ("var/lib/appliance/secrets/disk-a", 0o640, None, "can be read by others"),
        ("var/lib/appliance/secrets/disk-a", None, "root", "not the worker's but root's"),
    ],
)  # fmt: skip
def test_files_that_are_open_or_somebody_elses_are_named(box, path, mode, owner, says):
    file = box.machine.root / path
    assert found(box, laid_down.files) == []
    if mode is not None:
        file.chmod(mode)
    if owner is not None:
        os.chown(file, box.machine.users()[owner], -1)
    finding = only(box, laid_down.files)

    assert says in finding.sentence
    assert finding.state == "bad"
    assert finding.todo


def test_D5_a_mount_point_that_can_be_filled_is_named(box, monkeypatch):
    point = box.machine.root / "mnt/appliance/disk-a"
    monkeypatch.setattr(facts, "is_immutable", lambda _: False)
    assert "chattr +i /mnt/appliance/disk-a" in only(box, laid_down.disks).todo
    monkeypatch.setattr(facts, "is_immutable", lambda _: True)
    assert found(box, laid_down.disks) == []
    (point / "backup").write_text("on the card")
    assert "files in /mnt/appliance/disk-a" in only(box, laid_down.disks).sentence
    shutil.rmtree(point)
    assert "is missing" in only(box, laid_down.disks).sentence


_FLAGS = """
mount -o loop "$0" "$1" && mkdir "$1/a" "$1/b" && chattr +i "$1/b" && exec "$2" -c '
import sys
from pathlib import Path
from appliance.system.machine import is_immutable
print(*(is_immutable(Path(sys.argv[1]) / name) for name in "ab"))' "$1"
"""


def test_the_flag_of_a_mount_point_is_read_from_its_filesystem(tmp_path):
    if reason := why_not():
        pytest.skip(reason)
    image, point = tmp_path / "disk.ext4", tmp_path / "point"
    point.mkdir()
    with image.open("wb") as file:
        file.truncate(8 << 20)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    apart = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _FLAGS]
    command = [*apart, image, point, sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "loop device" in done.stderr:
        pytest.skip(f"no loop devices here: {done.stderr.strip()}")

    assert done.stdout.split() == ["False", "True"], done.stderr


def test_a_disk_without_its_mount_unit_or_with_anothers_is_named(box, monkeypatch):
    monkeypatch.setattr(facts, "is_immutable", lambda _: True)
    unit = box.machine.root / "etc/systemd/system/mnt-appliance-disk\\x2da.mount"
    unit.write_text("[Mount]\nWhat=/dev/disk/by-uuid/00000000-0000-0000-0000-000000000000\n")
    assert "another disk" in only(box, laid_down.disks).sentence
    unit.unlink()
    finding = only(box, laid_down.disks)
    assert "disk-a has no mnt-appliance-disk\\x2da.mount" in finding.sentence
    assert "--name disk-a" in finding.todo


def test_mistakes_of_the_configuration_are_all_named(box):
    box.configuration.write_text(CONFIGURATION + "bell = 3\n[disks]\ngrace = 'long'\n")
    problems = [each.sentence for each in found(box, settings.configuration)]

    assert any("bell" in each for each in problems)
    assert any("disks.grace" in each for each in problems)


def test_a_box_that_was_told_nothing_says_so(box):
    box.configuration.write_text("[appliance]\nname = 'x'\n")
    finding = only(box, settings.configuration)

    assert finding.state == "warn"
    assert "Nothing is backed up yet" in finding.sentence


def test_a_folder_outside_the_workers_cage_is_named_until_it_is_opened(box):
    box.configuration.write_text(CONFIGURATION.replace("/srv/inbox", "/home/anna/inbox"))
    finding = only(Installation(box.configuration, box.machine), settings.folders)
    assert "/home/anna/inbox" in finding.sentence
    assert "ReadWritePaths=/home/anna/inbox" in finding.todo

    more = box.machine.root / "etc/systemd/system/appliance-worker.service.d"
    more.mkdir()
    (more / "override.conf").write_text("[Service]\nReadWritePaths=/home/anna\n")
    assert found(Installation(box.configuration, box.machine), settings.folders) == []


def test_disks_mounted_where_the_box_may_not_mount_are_named(box):
    assert found(box, settings.mounts) == []
    box.configuration.write_text(CONFIGURATION + '[disks]\nmounts = "/media/backup"\n')
    finding = only(Installation(box.configuration, box.machine), settings.mounts)
    assert (finding.state, "/media/backup" in finding.sentence) == ("bad", True)


def test_a_record_where_no_service_may_write_is_named(box):
    moved = CONFIGURATION.replace("[appliance]", '[appliance]\nstate = "/home/anna/state"')
    box.configuration.write_text(moved)
    finding = only(Installation(box.configuration, box.machine), settings.folders)
    assert "/home/anna/state" in finding.sentence


def test_pins_that_the_panel_may_not_use_are_named(box):
    device = box.machine.root / "dev/gpiochip0"
    assert "no pins" in only(box, surroundings.pins).sentence
    device.touch(0o600)
    assert "may not use gpiochip0" in only(box, surroundings.pins).sentence
    device.chmod(0o660)
    os.chown(device, 0, box.machine.groups()["gpio"])
    assert found(box, surroundings.pins) == []


@pytest.mark.parametrize(
    ("state", "says"),
    [("active\n", None), ("inactive\n", "does not work"), (None, "no watchdog")],
)
def test_D14_a_watchdog_that_sleeps_is_named(box, state, says):
    folder = box.machine.root / "sys/class/watchdog/watchdog0"
    if state is not None:
        folder.mkdir(parents=True)
        (folder / "state").write_text(state)
    sentences = [each.sentence for each in found(box, surroundings.watchdog)]

    assert sentences == [] if says is None else says in sentences[0]


def test_a_kernel_that_limits_no_memory_is_named(box):
    controllers = box.machine.root / "sys/fs/cgroup/cgroup.controllers"
    controllers.parent.mkdir(parents=True)
    controllers.write_text("cpuset cpu io pids\n")
    assert "cgroup_enable=memory" in only(box, surroundings.memory).todo
    controllers.write_text("cpuset cpu io memory pids\n")
    assert found(box, surroundings.memory) == []


@pytest.mark.parametrize("seconds", [None, 2.5])
def test_a_name_that_is_not_found_at_once_is_named(box, monkeypatch, seconds):
    monkeypatch.setattr(facts, "seconds_to_find_own_name", lambda _: seconds)
    assert "127.0.1.1" in only(box, surroundings.host_name).todo


def test_a_lookup_that_hangs_is_given_up(tmp_path, monkeypatch):
    program = tmp_path / "getent"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    assert facts.seconds_to_find_own_name(timedelta(seconds=0.2)) is None


def test_tools_that_are_missing_or_too_old_are_named(box, monkeypatch):
    monkeypatch.setattr(facts, "is_installed", lambda name: name != "smartctl")
    monkeypatch.setattr(facts, "version_of", lambda *_: (1, 60, 1))
    sentences = [each.sentence for each in found(box, surroundings.programs)]

    assert sentences == ["rclone is missing or too old.", "smartctl is missing."]


def test_versions_are_read_as_programs_tell_them(tmp_path, monkeypatch):
    program = tmp_path / "teller"
    program.write_text("#!/bin/sh\necho 'rclone v1.75.2-DEBUG'\necho more\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    assert facts.version_of("teller") == (1, 75, 2)


@pytest.fixture
def systemd(box, tmp_path, monkeypatch):
    """Let systemd run there, and answer with these properties."""
    (box.machine.root / "run/systemd/system").mkdir(parents=True)
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def answers(**properties):
        lines = "\n".join(f"{name}={value}" for name, value in properties.items())
        (folder / "systemctl").write_text(f"#!/bin/sh\ncat <<END\n{lines}\nEND\n")
        (folder / "systemctl").chmod(0o755)

    return answers


def test_a_service_that_does_not_run_or_start_by_itself_is_named(box, systemd):
    systemd(ActiveState="active", UnitFileState="enabled", Result="success")
    assert found(box, running.services) == []
    systemd(ActiveState="failed", UnitFileState="disabled", Result="exit-code")
    findings = found(box, running.services)

    assert [each.todo.split()[0] for each in findings] == ["Run:", "journalctl"] * 3
    assert "systemctl enable appliance-worker.service" in findings[0].todo
    assert "appliance-panel.service does not run (exit-code)" in findings[3].sentence
    assert "appliance-web.service does not run (exit-code)" in findings[5].sentence


def test_a_worker_that_does_not_answer_is_named(box, systemd):
    systemd(MainPID="0")
    assert "does not answer" in only(box, running.worker).sentence


def test_a_worker_of_before_the_upgrade_is_named(box, systemd, monkeypatch):
    monkeypatch.setattr("appliance.doctor.running.Client.is_there", lambda _: True)
    systemd(MainPID="77")
    process = box.machine.root / "proc/77"
    process.mkdir(parents=True)
    current = (box.machine.root / "opt/appliance/current").resolve()
    (process / "cwd").symlink_to(current)
    assert found(box, running.worker) == []
    (process / "cwd").unlink()
    (process / "cwd").symlink_to(current.with_name("0ld"))
    assert "before the upgrade" in only(box, running.worker).sentence


def test_E12_what_is_the_page_s_own_is_nobody_else_s(box):
    folder = box.machine.root / "var/lib/appliance-web"
    assert "nobody's yet" in only(box, laid_down.page).sentence
    web = Machine(box.machine.root).users()["appliance-web"]
    for name in ("people.json", "certificate.pem"):
        (folder / name).write_text("{}")
        (folder / name).chmod(0o600)
        os.chown(folder / name, web, web)
    assert found(box, laid_down.page) == []
    (folder / "certificate.pem").chmod(0o640)
    assert "certificate.pem: it is not the page's alone" in only(box, laid_down.page).sentence
    (folder / "certificate.pem").chmod(0o600)
    os.chown(folder / "people.json", 0, 0)
    assert "chown -R appliance-web:" in only(box, laid_down.page).todo


def test_E12_a_key_that_the_page_could_read_is_named(box):
    key = box.machine.root / "etc/appliance/key"
    key.write_text("secret")
    key.chmod(0o640)
    more = """
[[source]]
name = "crm"
type = "sftp"
host = "crm.example.org"
user = "backup"
key_file = "/etc/appliance/key"
"""
    box.configuration.write_text(CONFIGURATION + more)
    assert "/etc/appliance/key can be read by others" in only(box, laid_down.keys).sentence
    key.chmod(0o600)
    assert found(box, laid_down.keys) == []


def test_a_check_that_cannot_look_says_so(box):
    (box.machine.root / "etc/passwd").unlink()
    finding = next(e for e in doctor.examine(box.configuration, box.machine) if e.name == "users")

    assert finding.state == "warn"
    assert "not seen" in finding.sentence


def test_on_the_command_line_it_ends_with_1_where_something_must_be_done(installed):
    asked = installed.run("/usr/local/bin/appliance", "doctor", "--json")
    told = json.loads(asked.stdout)
    assert asked.returncode == (0 if told["well"] else 1)
    installed.file("/etc/systemd/system/appliance-fsck@.service").unlink()
    asked = installed.run("/usr/local/bin/appliance", "doctor")

    assert asked.returncode == 1
    assert "✗ /etc/systemd/system/appliance-fsck@.service is missing." in asked.stdout
    assert "looked at and in order" in asked.stdout


def test_only_the_administrator_can_look_everywhere(installed):
    command = ("setpriv", "--reuid=65534", "--clear-groups", "/usr/local/bin/appliance", "doctor")
    asked = installed.run(*command)

    assert asked.returncode == 1
    assert "sudo appliance doctor" in asked.stderr

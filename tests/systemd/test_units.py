"""The services as they are shipped: understood by systemd, caged, none of them our code as root."""

import re
import shutil
import subprocess

import pytest

from tests.systemd.units import ETC, ROOT, SERVICES, UNITS, is_root, values

PROGRAM = "/opt/appliance/.venv/bin/appliance"
OURS = ("/opt/appliance/", "python", "/usr/local/bin/appliance")
ALLOWED = {"appliance-pair.service": 20}
"""Ten times the exposure that systemd may see; 15 where nothing else is said. Pairing a disk makes
a filesystem, changes owners and writes units: a person's act, minutes in a disk's life."""


def names(units):
    return [unit.name for unit in units]


def test_every_service_of_the_design_is_there():
    assert names(SERVICES) == [
        "appliance-flush@.service",
        "appliance-fsck@.service",
        "appliance-pair.service",
        "appliance-panel-dead.service",
        "appliance-panel.service",
        "appliance-smart@.service",
        "appliance-web.service",
        "appliance-worker.service",
    ]


@pytest.fixture
def units(tmp_path):
    """The units in a folder of their own, with a program where ours is after the installation."""
    for unit in SERVICES:
        there = tmp_path / unit.name.replace("@.", "@x.")
        there.write_text(
            unit.read_text().replace("/opt/appliance/.venv/bin/appliance", "/bin/true")
        )
    return tmp_path


def verified(*units):
    command = ["systemd-analyze", "verify", "--man=no", *units]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", names(SERVICES))
def test_systemd_understands_every_line(units, name):
    """`verify` says 0 about keys that it does not know: only silence is good."""
    assert verified(units / name.replace("@.", "@x.")) == ""


def test_F15_an_unknown_key_and_a_missing_program_are_seen(units):
    unit = units / "appliance-fsck@x.service"
    unit.write_text(unit.read_text().replace("TimeoutStartSec=", "TimeoutBeginSec="))
    assert "TimeoutBeginSec" in verified(unit)
    unit.write_text(unit.read_text().replace("/usr/sbin/fsck.ext4", "/usr/sbin/fsck.nothing"))
    assert "fsck.nothing" in verified(unit)


@pytest.mark.parametrize("name", names(SERVICES))
def test_E15_every_service_is_caged(name):
    threshold = ALLOWED.get(name, 15)
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={threshold}"]
    done = subprocess.run([*command, UNITS / name], capture_output=True, text=True, check=False)
    print(done.stdout.strip().splitlines()[-1])
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_P18_none_of_our_code_runs_as_root_but_what_a_person_confirms(unit):
    commands = [line for key in ("ExecStart", "ExecStartPre", "ExecStartPost", "ExecStopPost",
                                 "ExecStop", "ExecReload", "ExecCondition")
                for line in values(unit, key)]  # fmt: skip
    assert commands
    as_root = [c for c in commands if is_root(unit) or re.match(r"[-@:]*[+!]", c)]
    ours = [c for c in as_root if any(part in c for part in OURS)]
    assert ours == [] or unit.name == "appliance-pair.service"


def test_a_person_alone_starts_the_one_program_that_is_root():
    assert values(UNITS / "appliance-pair.service", "WantedBy") == []
    wanting = [unit.name for unit in SERVICES if "appliance-pair" in unit.read_text()]
    assert wanting == ["appliance-pair.service"] or wanting == []
    assert values(UNITS / "appliance-pair.service", "ExecStart") == [
        "/opt/appliance/.venv/bin/appliance disk pair --requested"
    ]


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_no_service_gains_rights_or_dumps_its_memory(unit):
    assert values(unit, "NoNewPrivileges") == ["yes"]
    assert values(unit, "ProtectSystem") == ["strict"]
    assert values(unit, "LimitCORE") == ["0"]


@pytest.mark.parametrize(
    "name", ["appliance-worker.service", "appliance-panel.service", "appliance-web.service"]
)
def test_D14_a_service_that_hangs_is_noticed(name):
    assert values(UNITS / name, "Type") == ["notify"]
    assert values(UNITS / name, "WatchdogSec")
    assert values(UNITS / name, "StartLimitIntervalSec") == ["0"]


PANEL, DEAD = UNITS / "appliance-panel.service", UNITS / "appliance-panel-dead.service"


def test_a_panel_that_ends_with_an_error_brings_the_last_resort_and_is_tried_again():
    assert values(PANEL, "OnFailure") == [DEAD.name]
    assert values(PANEL, "Restart") == ["no"]  # else it fails only after its last try
    assert values(PANEL, "SuccessExitStatus") == []
    assert values(DEAD, "StartLimitIntervalSec") == ["0"]
    assert values(DEAD, "ExecStart")[-1].endswith(
        "systemctl --no-block start appliance-panel.service"
    )


@pytest.mark.parametrize(
    ("ours", "is_followed"),
    [
        ("trap 'exit 0' TERM; sleep 9 & wait $!", False),
        ("trap 'exit 1' TERM; sleep 9 & wait $!", True),
        ("exit 1", True),
        ("sleep 9", True),
        ("trap '' TERM; sleep 9", True),
    ],
)
def test_the_last_lamp_is_lit_unless_ours_was_until_its_time_was_over(tmp_path, ours, is_followed):
    """The unit's own line, with programs of ours and spans that fit into a test."""
    programs = {name: tmp_path / name for name in ("ours", "lamp")}
    programs["ours"].write_text(f"#!/bin/sh\n{ours}\n")
    programs["lamp"].write_text(f"#!/bin/sh\necho lit >{tmp_path}/lit\n")
    for program in programs.values():
        program.chmod(0o755)
    (line,) = re.findall(r"/bin/sh -c '(.*)'", values(DEAD, "ExecStart")[0])
    line = line.replace(PROGRAM, str(programs["ours"])).replace("$$", "$")
    line = line.replace("--kill-after=5 20", "--kill-after=0.3 0.3")
    line = re.sub(r"/usr/bin/python3 -I \S+", str(programs["lamp"]), line)
    subprocess.run(["/bin/sh", "-c", line], timeout=8, check=False)
    assert (tmp_path / "lit").exists() is is_followed


def test_E12_the_page_has_no_way_to_keys_disks_or_devices():
    page = UNITS / "appliance-web.service"
    closed = " ".join(values(page, "InaccessiblePaths")).split()
    assert {"-/var/lib/appliance", "-/etc/appliance/credentials", "-/mnt", "-/srv"} <= set(closed)
    assert values(page, "CapabilityBoundingSet") == [""]
    assert values(page, "PrivateDevices") == ["yes"]
    assert values(page, "LoadCredential") == values(page, "ReadWritePaths") == []
    assert "gpio" not in values(page, "SupplementaryGroups")[0]


def test_F12_the_worker_has_two_minutes_to_stop_in_good_order():
    worker = UNITS / "appliance-worker.service"
    assert values(worker, "TimeoutStopSec") == ["120"]
    assert values(worker, "KillMode") == ["mixed"]


def test_the_worker_waits_for_no_network_and_no_clock():
    text = (UNITS / "appliance-worker.service").read_text()
    assert "network-online" not in text
    assert "time-sync.target" in values(UNITS / "appliance-worker.service", "After")[0]
    assert values(UNITS / "appliance-worker.service", "Wants") == []
    assert values(UNITS / "appliance-worker.service", "Requires") == []


def test_every_user_group_and_folder_of_a_service_is_made_by_the_installation():
    made = (ETC / "sysusers.d/appliance.conf").read_text()
    for unit in SERVICES:
        for key in ("User", "Group", "SupplementaryGroups"):
            for name in " ".join(values(unit, key)).split():
                assert re.search(rf"^[ug] +{name} ", made, re.MULTILINE) or name == "root"


def test_every_program_of_the_system_in_a_unit_comes_with_a_package():
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    packages = {"fsck.ext4": "e2fsprogs", "smartctl": "smartmontools", "sg_sync": "sg3-utils"}
    texts = " ".join(unit.read_text() for unit in SERVICES)
    for program, package in packages.items():
        assert program in texts
        assert re.search(rf"^(RUN|BASE)_PACKAGES += .*\b{package}\b", makefile, re.MULTILINE)


def test_the_filesystem_check_may_repair_and_nothing_else_may_go_wrong():
    fsck = UNITS / "appliance-fsck@.service"
    assert values(fsck, "ExecStart") == ["/usr/sbin/fsck.ext4 -p /dev/disk/by-uuid/%i"]
    assert values(fsck, "SuccessExitStatus") == ["1"]
    assert values(fsck, "RemainAfterExit") == []


def test_no_file_of_roots_lies_where_the_worker_could_put_a_link():
    smart = UNITS / "appliance-smart@.service"
    (written,) = values(smart, "StandardOutput")
    assert written == "truncate:%t/appliance-smart/%i.json"
    assert is_root(smart)
    folders = (ETC / "tmpfiles.d/appliance.conf").read_text()
    assert re.search(r"^d /run/appliance-smart +0750 +root +appliance +-$", folders, re.MULTILINE)


@pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="no systemd-sysusers here")
def test_the_lists_of_users_and_folders_are_understood(tmp_path):
    (tmp_path / "etc").mkdir()
    for name in ("passwd", "group"):
        (tmp_path / "etc" / name).write_text(
            "root:x:0:0:root:/root:/bin/sh\n" if name == "passwd" else "root:x:0:\n"
        )
    command = ["systemd-sysusers", f"--root={tmp_path}", ETC / "sysusers.d/appliance.conf"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not re.search(r"\.conf:\d+:", done.stderr)
    lines = (tmp_path / "etc/group").read_text().splitlines()
    groups = dict(line.split(":")[0::3] for line in lines)
    assert sorted(groups["appliance-clients"].split(",")) == ["appliance-panel", "appliance-web"]
    assert groups["gpio"] == "appliance-panel"
    assert "appliance" in groups

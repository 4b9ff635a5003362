"""Who may have systemd do what: the rule itself, run by the engine that polkit has (duktape).

That polkit and systemd ask it these questions was seen under a real PID 1 (tests/vm).
"""

import json
import shutil
import subprocess

import pytest

from tests.systemd.units import ETC, SERVICES

RULE = ETC / "polkit-1/rules.d/50-appliance.rules"
UUID = "4f0c7a7e-2c1b-4d3a-9f60-0d9a5f1c2b3d"
MANAGE = "org.freedesktop.systemd1.manage-units"
DISK = "mnt-appliance-disk\\x2da.mount"
FILES = [DISK, "mnt-appliance-b.mount", *(u.name for u in SERVICES)]

_POLKIT = """
var Result = {YES: "yes", NOT_HANDLED: "not handled"}, rule;
var polkit = {
    Result: Result,
    addRule: function (given) { rule = given; },
    spawn: function (argv) {
        if (argv[0] !== "/usr/bin/test" || argv[1] !== "-f") { throw new Error("what is " + argv); }
        var name = argv[2].replace("/etc/systemd/system/", "");
        if (FILES.indexOf(name) < 0) { throw new Error("exit code 1"); }
        return "";
    }
};
"""
_ASK = """
var out = [];
for (var i = 0; i < ASKED.length; i += 1) {
    (function (asked) {
        var action = {id: asked[1], lookup: function (key) { return asked[2][key]; }};
        out.push(rule(action, {user: asked[0]}));
    }(ASKED[i]));
}
print(JSON.stringify(out));
"""


@pytest.fixture(scope="module")
def engine():
    program = shutil.which("duk")
    assert program, "the package duktape is missing; `make test` installs it"
    return program


def answers(engine, tmp_path, asked):
    script = tmp_path / "ask.js"
    data = f"var FILES = {json.dumps(FILES)}, ASKED = {json.dumps(asked)};"
    script.write_text(data + _POLKIT + RULE.read_text() + _ASK)
    done = subprocess.run([engine, script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return [answer == "yes" for answer in json.loads(done.stdout)]


def ask(user, unit, verb, action=MANAGE):
    return [user, action, {"unit": unit, "verb": verb}]


MAY = [
    ask("appliance", DISK, "start"),
    ask("appliance", DISK, "stop"),
    ask("appliance", "mnt-appliance-b.mount", "start"),
    ask("appliance", f"appliance-fsck@{UUID}.service", "start"),
    ask("appliance", f"appliance-flush@{UUID}.service", "start"),
    ask("appliance", "appliance-smart@sda.service", "start"),
    ask("appliance", "appliance-smart@sdab.service", "start"),
    ask("appliance-panel", "appliance-pair.service", "start"),
]
MAY_NOT = [
    *(ask(user, DISK, "start") for user in (
        "appliance-panel", "appliance-web", "pi", "root", "", "appliance2",
    )),
    *(ask("appliance", DISK, verb) for verb in (
        "restart", "reload", "kill", "set-property", "", "Start",
    )),
    # no file: systemd would make a unit of that name with whatever it is told
    ask("appliance", "mnt-appliance-evil.mount", "start"),
    ask("appliance", "mnt-appliance-evil.mount", "stop"),
    *(ask("appliance", unit, "start") for unit in (
        "mnt-appliance.mount", "mnt-appliance-.mount", "mnt-appliance-disk\\x2fa.mount",
        "mnt-appliance-b.mount\n", "x-mnt-appliance-b.mount", "mnt-appliance-b.mount.service",
        "mnt-appliance-b.automount", "-.mount", "boot.mount", "mnt-appliance-B.mount",
        "appliance-worker.service", "appliance-panel.service", "appliance-pair.service",
        "appliance-fsck@.service", "appliance-fsck@x.service", f"appliance-fsck@{UUID}",
        f"appliance-fsck@{UUID}.service.service", f"appliance-fsck@{UUID}\n.service",
        f"appliance-fsck@..-{UUID}.service", f"appliance-fsck@{UUID.upper()}.service",
        "appliance-smart@mmcblk0.service", "appliance-smart@sda1.service",
        "appliance-smart@..-sda.service", "appliance-smart@.service", "ssh.service", "",
    )),
    *(ask("appliance", f"appliance-{name}@{UUID}.service", "stop") for name in ("fsck", "flush")),
    *(ask("appliance-panel", unit, "start") for unit in (
        "appliance-pair.service\n", "appliance-pair@x.service", f"appliance-fsck@{UUID}.service",
        "appliance-worker.service",
    )),
    ask("appliance-panel", "appliance-pair.service", "stop"),
    *(ask("appliance", DISK, "start", f"org.freedesktop.systemd1.{action}") for action in (
        "manage-unit-files", "reload-daemon", "set-environment",
    )),
    ["appliance", MANAGE, {}],
]  # fmt: skip


def test_what_the_services_need_is_allowed(engine, tmp_path):
    given = answers(engine, tmp_path, MAY)
    assert [a for a, yes in zip(MAY, given, strict=True) if not yes] == []


def test_E12_nothing_else_is_and_nobody_else(engine, tmp_path):
    given = answers(engine, tmp_path, MAY_NOT)
    assert [a for a, yes in zip(MAY_NOT, given, strict=True) if yes] == []


def test_F15_a_rule_without_its_look_for_the_file_would_be_caught(engine, tmp_path, monkeypatch):
    weak = tmp_path / "weak.rules"
    weak.write_text(RULE.read_text().replace(" && hasFile(unit)", ""))
    monkeypatch.setattr("tests.systemd.test_polkit.RULE", weak)
    evil = [ask("appliance", "mnt-appliance-evil.mount", "start")]

    assert answers(engine, tmp_path, evil) == [True]

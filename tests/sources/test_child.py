"""A pull in a child of its own: same answers, same errors, and an end in any case."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

import pytest

from appliance.core import errors
from appliance.core.errors import (
    ApplianceError,
    Cancelled,
    ExportNotReady,
    SourceRefused,
    SourceUnreachable,
)
from appliance.core.model import Export, ExportFile, SeenFile
from appliance.core.ports import Watch
from appliance.sources import child, inbox, sftp
from appliance.sources.child import ChildSource
from appliance.sources.inbox import InboxSettings
from appliance.sources.sftp import SftpSettings
from appliance.system import process
from appliance.system.process import Limits

AT = datetime(2026, 11, 21, 3, tzinfo=UTC)
CANARY = "canary-4711-secret"


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    folder = tmp_path / "stage"
    folder.mkdir()
    return folder


def sftp_json(sshd, **changes) -> dict[str, object]:
    settings = SftpSettings(
        name="crm",
        host=sshd.host,
        port=sshd.port,
        user=sshd.user,
        key=sshd.user_key.private.read_text(),
        path=sshd.root or ".",
        stable_for_seconds=0,
        reserve_bytes=0,
    )
    shown = sftp.trust(settings).fingerprint
    return json.loads(json.dumps(asdict(settings))) | {"host_key": shown} | changes


def seen_of(export: Export) -> tuple[SeenFile, ...]:
    return tuple(SeenFile(f.name, f.size_bytes, f.sha256, f.modified) for f in export.files)


def test_a_child_pulls_from_a_real_server_and_tells_how_far_it_is(sshd, served, stage):
    (served / "a.csv").write_bytes(b"1,2\n" * 750_000)
    told = []
    source = ChildSource("crm", "sftp", sftp_json(sshd), Limits(timedelta(seconds=60)))
    export = source.pull(stage, AT, (), Watch(told.append))
    (file,) = export.files
    assert (source.name, export.source, export.pulled_at) == ("crm", "crm", AT)
    assert (file.name, file.size_bytes) == ("a.csv", 3_000_000)
    assert file.path.stat().st_size == 3_000_000
    assert told[-1].done == told[-1].total == 3_000_000
    assert source.pull(stage, AT, seen_of(export), Watch()) is None
    source.settle(export)
    assert [path.name for path in served.iterdir()] == ["a.csv"]


def test_the_same_error_arrives_with_its_words_and_without_secrets(sshd, served, stage):
    wrong = sftp_json(sshd, host_key="SHA256:" + "A" * 43, password=CANARY)
    with pytest.raises(SourceRefused) as refused:
        ChildSource("crm", "sftp", wrong, Limits()).pull(stage, AT, (), Watch())
    assert "another host key" in refused.value.message
    assert "appliance trust crm" in refused.value.hint
    assert "SHA256:" in refused.value.detail
    with pytest.raises(ExportNotReady) as early:
        ChildSource("crm", "sftp", sftp_json(sshd), Limits()).pull(stage, AT, (), Watch())
    assert early.value.retry


@pytest.mark.parametrize(
    "kind",
    [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, ApplianceError)
    ],
)
def test_every_error_survives_the_way_through_the_pipe(kind):
    if kind is errors.ConfigError:
        error = kind([errors.Problem("source.a", "is wrong")])
    elif kind is SourceUnreachable:
        error = kind("busy", retry_after=timedelta(seconds=90), detail="429")
    else:
        error = kind("It broke.", hint="Mend it.", detail="gear 3")
    said = json.loads(json.dumps(child.error_to_json(error)))
    again = child._error_from_json(said, ())
    assert type(again) is kind
    assert str(again) == str(error)
    assert (again.hint, again.retry, again.detail) == (error.hint, error.retry, error.detail)
    assert getattr(again, "retry_after", None) == getattr(error, "retry_after", None)


def test_an_export_survives_the_way_through_the_pipe():
    files = (
        ExportFile("ü/a.csv", Path("/x/0001"), 5, "ab", AT, '"etag"'),
        ExportFile("b", Path("/x/0002"), 0, "cd"),
    )
    export = Export("crm", files, AT, AT + timedelta(seconds=1))
    said = json.loads(json.dumps(child.export_to_json(export)))
    assert child.export_from_json(said) == export


def fake_child(tmp_path: Path, monkeypatch, script: str) -> ChildSource:
    program = tmp_path / "child"
    program.write_text(f"#!{sys.executable}\n{script}")
    program.chmod(0o755)
    monkeypatch.setattr(child.sys, "executable", str(program))
    settings = {"name": "crm", "password": CANARY, "auth": {"token": CANARY + "2"}}
    return ChildSource("crm", "sftp", settings, Limits(timedelta(seconds=5), timedelta(seconds=2)))


def test_garbage_around_the_answer_is_passed_over(tmp_path, monkeypatch, stage):
    script = r"""
import sys
sys.stdin.read()
sys.stdout.buffer.write(b'\xff\xfe garbage\n[1,2]\n7\n"result"\n{}\n{"progress": 3}\n')
sys.stdout.buffer.write(b'{"progress": {"what": "ever"}}\n' + b'x' * 100000 + b'\n')
sys.stdout.buffer.write(b'{"result": null}\nmore garbage')
"""
    assert fake_child(tmp_path, monkeypatch, script).pull(stage, AT, (), Watch()) is None


@pytest.mark.parametrize(
    "script",
    ["import os; os.kill(os.getpid(), 9)", "print('{')", "raise SystemExit(3)"],
)
def test_a_child_that_dies_is_a_source_that_broke_off(tmp_path, monkeypatch, stage, script):
    with pytest.raises(SourceUnreachable, match="without a result"):
        fake_child(tmp_path, monkeypatch, script).pull(stage, AT, (), Watch())


def test_C21_last_words_of_a_dying_child_carry_no_secret(tmp_path, monkeypatch, stage):
    script = "import sys; sys.stderr.write(sys.stdin.read()); sys.exit(1)"
    with pytest.raises(SourceUnreachable) as died:
        fake_child(tmp_path, monkeypatch, script).pull(stage, AT, (), Watch())
    assert "password" in died.value.detail
    assert CANARY not in died.value.detail


def test_C21_an_error_that_quotes_a_secret_is_cleaned(tmp_path, monkeypatch, stage):
    script = f"""
import json
words = "refused for {CANARY} at https://x/?t={CANARY}2"
error = dict.fromkeys(("message", "hint", "detail"), words)
print(json.dumps({{"error": error | {{"class": "SourceRefused", "retry_after": None}}}}))
"""
    with pytest.raises(SourceRefused) as refused:
        fake_child(tmp_path, monkeypatch, script).pull(stage, AT, (), Watch())
    words = refused.value.message + refused.value.hint + refused.value.detail
    assert "***" in words
    assert CANARY not in words


def test_C21_secrets_are_in_nobody_s_argv_or_environment(tmp_path, monkeypatch, stage):
    script = r"""
import json, os, sys
request = sys.stdin.read()
seen = "\n".join(sys.argv) + json.dumps(dict(os.environ))
seen += open(f"/proc/{os.getppid()}/cmdline").read()
print(json.dumps({"error": {"class": "SourceRefused", "message": seen[::-1],
      "hint": "told" if "canary" in request else "", "detail": ""}}))
"""
    with pytest.raises(SourceRefused) as refused:
        fake_child(tmp_path, monkeypatch, script).pull(stage, AT, (), Watch())
    assert refused.value.hint == "told"
    assert CANARY not in refused.value.message[::-1]


def test_C5_a_child_that_hangs_is_killed(tmp_path, monkeypatch, stage):
    script = "import signal, threading; threading.Event().wait()"
    started = monotonic()
    with pytest.raises(SourceUnreachable, match="too long"):
        fake_child(tmp_path, monkeypatch, script).pull(stage, AT, (), Watch())
    assert monotonic() - started < 5


@pytest.mark.slow
def test_C15_a_child_that_goes_on_for_ever_is_killed(tmp_path, monkeypatch, stage):
    script = """
import json, threading
while True:
    print(json.dumps({"progress": {"done": 1, "step": "pull"}}), flush=True)
    threading.Event().wait(0.2)
"""
    with pytest.raises(SourceUnreachable, match="too long"):
        fake_child(tmp_path, monkeypatch, script).pull(stage, AT, (), Watch())


def to_mute(listener: socket.socket) -> dict[str, object]:
    """Settings for a server that accepts connections and says nothing."""
    plain = {"name": "crm", "host": "127.0.0.1", "user": "u", "password": CANARY}
    return plain | {"port": listener.getsockname()[1], "host_key": "SHA256:x"}


def test_C5_a_server_that_accepts_and_says_nothing_cannot_hold_us(stage):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        settings = to_mute(mute)
        source = ChildSource("crm", "sftp", settings, Limits(timedelta(seconds=2)))
        with pytest.raises(SourceUnreachable, match="too long"):
            source.pull(stage, AT, (), Watch())


def test_a_cancelled_child_ends_within_a_second(stage):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        settings = to_mute(mute)
        watch, cancelled_at = Watch(), []

        def cancel():
            connection, _ = mute.accept()
            with connection:
                connection.recv(100)  # the child is up and talking
                cancelled_at.append(monotonic())
                watch.cancel.set()
                while connection.recv(100):  # hung up on, it would end by itself
                    pass

        thread = threading.Thread(target=cancel)
        thread.start()
        with pytest.raises(Cancelled):
            ChildSource("crm", "sftp", settings, Limits()).pull(stage, AT, (), watch)
        thread.join()
        assert monotonic() - cancelled_at[0] < 1.5


def test_an_inbox_is_pulled_by_a_child_and_settled(tmp_path, stage):
    folder = tmp_path / "inbox"
    folder.mkdir()
    (folder / "a.csv").write_text("x")
    plain = InboxSettings("hand", str(folder), stable_for_seconds=0, reserve_bytes=0)
    settings = json.loads(json.dumps(asdict(plain)))
    source = ChildSource("hand", "inbox", settings, Limits())
    export = source.pull(stage, AT, (), Watch())
    source.settle(export)
    assert (folder / inbox.DONE / "a.csv").read_text() == "x"
    assert not (folder / "a.csv").exists()
    assert source.pull(stage, AT, (), Watch()).files == ()


def test_a_child_pulls_over_https_too(https, served, stage):
    (served / "a.csv").write_text("id,name\n1,Ada\n")
    settings = {"name": "site", "url": https.url("/open/a.csv"), "ca_file": str(https.ca_file)}
    source = ChildSource("site", "http", settings | {"reserve_bytes": 0}, Limits())
    export = source.pull(stage, AT, (), Watch())
    assert export.files[0].path.read_text() == "id,name\n1,Ada\n"
    seen = tuple(
        SeenFile(f.name, f.size_bytes, f.sha256, f.modified, f.validator) for f in export.files
    )
    assert source.pull(stage, AT, seen, Watch()) is None
    settings["url"] = https.url("/open/none.csv")
    with pytest.raises(ApplianceError) as missing:
        ChildSource("site", "http", settings, Limits()).pull(stage, AT, (), Watch())
    assert type(missing.value) is not ApplianceError


def test_an_unknown_kind_is_said_so(stage):
    with pytest.raises(ApplianceError, match="carrier-pigeon"):
        ChildSource("x", "carrier-pigeon", {}, Limits()).pull(stage, AT, (), Watch())


def test_the_parent_loads_none_of_the_heavy_libraries():
    code = (
        "import sys, appliance.sources.child, appliance.sources.inbox\n"
        "print([name for name in ('paramiko', 'requests', 'cryptography') if name in sys.modules])"
    )
    lines: list[str] = []
    assert process.run([sys.executable, "-c", code], on_line=lines.append).code == 0
    assert lines == ["[]"]


def test_a_killed_parent_leaves_no_child(sshd, served, tmp_path, stage):
    """The kernel ends the child with its parent, whatever it was doing."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        settings = to_mute(mute)
        code = (
            "import os, json, sys\n"
            "from pathlib import Path\n"
            "from datetime import datetime, UTC\n"
            "from appliance.sources.child import ChildSource\n"
            "from appliance.core.ports import Watch\n"
            "from appliance.system.process import Limits\n"
            "print(os.getpid(), flush=True)\n"
            "ChildSource('crm', 'sftp', json.loads(sys.stdin.read()), Limits())"
            f".pull(Path({str(stage)!r}), datetime.now(UTC), (), Watch())\n"
        )
        argv = [sys.executable, "-c", code]
        with process.started(argv, stdin=json.dumps(settings).encode()) as parent:
            pid = int(parent.stdout.readline())
            connection, _ = mute.accept()
            with connection:
                assert connection.recv(100).startswith(b"SSH-2.0-")
                os.kill(pid, signal.SIGKILL)
                connection.settimeout(10)
                while connection.recv(4096):
                    pass  # the end of the stream is the end of the child


def told(monkeypatch: pytest.MonkeyPatch, kind: str, settings: dict[str, object]) -> int:
    """Return how many of 20,000 archived files are told to the child."""
    requests: list[bytes] = []

    def started(argv, *, stdin, **more):
        requests.append(stdin)
        raise process.TimedOut("enough")

    monkeypatch.setattr(child.process, "started", started)
    seen = [SeenFile(f"{number}.zip", number, "0" * 64) for number in range(20_000)]
    source = ChildSource("crm", kind, settings, Limits())
    with pytest.raises(SourceUnreachable):
        source.pull(Path("into"), AT, [*seen, *seen], Watch())
    (request,) = requests
    names = [file["name"] for file in json.loads(request)["seen"]]
    assert names == [file.name for file in seen[: len(names)]], "the newest first, each once"
    return len(names)


@pytest.mark.parametrize(
    ("kind", "settings", "count"),
    [
        ("sftp", {"newest": 1}, child.MOST_SEEN),
        ("sftp", {"newest": 6000}, 6000),
        ("sftp", {"newest": 0}, 20_000),  # or what was taken long ago would be taken again
        ("http", {}, child.MOST_SEEN),
        ("inbox", {}, 0),
    ],
)
def test_after_years_a_pull_is_told_what_it_needs_of_the_past(
    monkeypatch: pytest.MonkeyPatch, kind: str, settings: dict[str, object], count: int
) -> None:
    assert told(monkeypatch, kind, settings) == count


def test_words_of_a_login_stay_readable_and_secrets_of_any_name_do_not():
    settings = {
        "auth": {"scope": "offline_access", "grant": "password", "password": "p4ssword"},
        "given_secrets": {"scope": "s3cret-scope", "cookie": "s3cret-cookie"},
    }
    assert set(child._secrets(settings)) == {"p4ssword", "s3cret-scope", "s3cret-cookie"}

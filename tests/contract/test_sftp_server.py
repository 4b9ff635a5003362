"""What a pull over SFTP promises, against each server that an office or its vendor may run."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import pytest

from appliance.core.errors import ExportNotReady, SourceRefused, SourceUnreachable
from appliance.core.model import SeenFile
from appliance.core.ports import Watch
from appliance.demo.authority import new_ssh_key
from appliance.sources import picking, sftp
from appliance.sources.sftp import HostKey, SftpSettings
from appliance.sources.sight import Sight
from tests.real_servers.cutting import line
from tests.real_servers.ssh import ALL, Sftp, openssh

AT = datetime(2026, 11, 21, 3, tzinfo=UTC)
LONG_AGO = 1_700_000_000


@pytest.fixture(scope="module", params=ALL)
def running(request, tmp_path_factory) -> Iterator[tuple[Sftp, Path]]:
    folder = tmp_path_factory.mktemp("server")
    root = tmp_path_factory.mktemp("served")
    with ALL[request.param](folder, root) as server:
        yield server, root


@pytest.fixture
def server(running) -> Sftp:
    return running[0]


@pytest.fixture
def served(running) -> Iterator[Path]:
    """The folder that the server shows, empty at the beginning of each test."""
    yield running[1]
    for each in running[1].iterdir():
        shutil.rmtree(each) if each.is_dir() else each.unlink()


def to(server: Sftp, **changes) -> SftpSettings:
    settings = SftpSettings(
        name="crm",
        host=server.host,
        port=server.port,
        user=server.user,
        password=server.password,
        host_key=server.host_key.fingerprint,
        path=server.path,
        stable_for_seconds=0,
        reserve_bytes=0,
        connect_seconds=10,
        idle_seconds=10,
    )
    return replace(settings, **changes)


@pytest.fixture
def pull(tmp_path: Path):
    def pull(settings: SftpSettings, seen=()):
        into = tmp_path / f"into-{len(list(tmp_path.iterdir()))}"
        into.mkdir()
        return sftp.pull(settings, into, AT, seen, Watch())

    return pull


def put(served: Path, name: str | bytes, content: bytes = b"id\n1\n", at: int = LONG_AGO) -> None:
    path = Path(os.fsdecode(os.fsencode(served) + b"/" + os.fsencode(name)))
    path.write_bytes(content)
    os.utime(path, (at, at))


def contents(export) -> dict[str, bytes]:
    return {file.name: file.path.read_bytes() for file in export.files}


def test_the_key_that_it_shows_is_pinned_and_then_believed(server, served, pull, tmp_path):
    put(served, "a.csv")
    known = tmp_path / "known_hosts"
    nobody = to(server, host_key="", known_hosts=str(known))
    with pytest.raises(SourceRefused, match="Nobody has confirmed"):
        pull(nobody)
    shown = sftp.trust(nobody)
    assert shown.fingerprint == server.host_key.fingerprint
    sftp.pin(known, shown, AT.date())
    assert contents(pull(nobody)) == {"a.csv": b"id\n1\n"}


def test_another_host_key_is_refused_before_anything_is_sent(server, served, pull, tmp_path):
    put(served, "a.csv")
    other = new_ssh_key(tmp_path / "other")
    with pytest.raises(SourceRefused, match="shows another host key") as told:
        pull(to(server, host_key=other.fingerprint))
    assert server.host_key.fingerprint in told.value.detail
    blob = sftp.trust(to(server)).blob
    forged = HostKey(server.host, server.port, "ssh-ed25519", blob[:-1] + bytes([blob[-1] ^ 1]))
    sftp.pin(tmp_path / "known_hosts", forged, AT.date())
    with pytest.raises(SourceRefused, match="shows another host key"):
        pull(to(server, host_key="", known_hosts=str(tmp_path / "known_hosts")))


@pytest.mark.parametrize("how", ["password", "key", "key of a stranger, then the password"])
def test_it_lets_us_in(server, served, pull, tmp_path, how):
    put(served, "a.csv")
    keys = {"key": server.user_key.private}
    key = keys.get(how) or new_ssh_key(tmp_path / "stranger").private
    with_key = {"key_file": str(key), "password": "" if how == "key" else server.password}
    export = pull(to(server, **({} if how == "password" else with_key)))
    assert contents(export) == {"a.csv": b"id\n1\n"}


@pytest.mark.parametrize("wrong", ["password", "key", "user"])
def test_a_wrong_login_is_refused_and_said_so(server, served, pull, tmp_path, wrong):
    stranger = str(new_ssh_key(tmp_path / "stranger").private)
    changes = {
        "password": {"password": "guessed"},
        "key": {"password": "", "key_file": stranger},
        "user": {"user": "nobody-of-that-name"},
    }
    user = changes[wrong].get("user", server.user)
    what = "key" if wrong == "key" else "password"
    with pytest.raises(SourceRefused) as told:
        pull(to(server, **changes[wrong]))
    assert str(told.value) == f"127.0.0.1 did not accept the user name {user} or the {what}."
    assert what in told.value.hint
    assert "guessed" not in f"{told.value} {told.value.hint} {told.value.detail}"


def test_one_that_hangs_up_on_a_wrong_password_leaves_the_password_in_doubt(tmp_path, pull):
    folder = tmp_path / "server"
    folder.mkdir()
    with (
        openssh(folder, tmp_path, "MaxAuthTries 1\n") as server,
        pytest.raises(SourceUnreachable, match="hung up when we wanted to log in") as told,
    ):
        pull(to(server, password="guessed"))
    assert "check the user name and the password" in told.value.hint


def test_the_newest_by_its_time_comes_and_is_not_brought_twice(server, served, pull):
    put(served, "z-older.csv", at=LONG_AGO)
    put(served, "a-newer.csv", b"id\n2\n", at=LONG_AGO + 1)
    (served / "folder.csv").mkdir()
    (served / "link.csv").symlink_to(served / "z-older.csv")
    export = pull(to(server))
    (file,) = export.files
    assert (file.name, file.modified) == ("a-newer.csv", datetime.fromtimestamp(LONG_AGO + 1, UTC))
    seen = (SeenFile(file.name, file.size_bytes, file.sha256, file.modified),)
    assert pull(to(server), seen) is None
    assert list(contents(pull(to(server, newest=0), seen))) == ["z-older.csv"]


def test_a_look_tells_what_a_pull_would_take(server, served):
    put(served, "a.csv")
    sight = Sight()
    sftp.look(to(server), sight, Watch())
    assert (sight.confirmed, sight.fingerprint) == (True, server.host_key.fingerprint)
    assert [(each["name"], each["size_bytes"]) for each in sight.files] == [("a.csv", 5)]


@contextmanager
def growing(path: Path) -> Iterator[None]:
    """A vendor who writes on, all the while."""
    done = threading.Event()

    def write() -> None:
        with path.open("ab", buffering=0) as file:
            while not done.wait(0.01):
                file.write(b"2,more\n")

    path.write_bytes(b"1,first\n")
    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_a_file_that_still_grows_is_left(server, served, pull):
    put(served, "whole.csv")
    settings = to(server, stable_for_seconds=0.2)
    with growing(served / "growing.csv"):
        with pytest.raises(ExportNotReady, match="still growing"):
            pull(settings)
        assert list(contents(pull(replace(settings, newest=0)))) == ["whole.csv"]
    assert contents(pull(settings))["growing.csv"].startswith(b"1,first\n2,more\n")


def test_what_rested_by_the_server_s_clock_is_not_waited_for(server, served, pull, monkeypatch):
    monkeypatch.setattr(picking, "_GLANCE_SECONDS", 0.1)
    put(served, "a.csv")
    began = monotonic()
    assert pull(to(server, stable_for_seconds=60))
    assert monotonic() - began < 10


def test_64_MB_arrive_whole(server, served, pull):
    content = random.Random(1).randbytes(64_000_001)
    put(served, "large.zip", content)
    (file,) = pull(to(server)).files
    assert file.size_bytes == len(content)
    assert file.sha256 == hashlib.sha256(content).hexdigest()


def test_a_line_that_breaks_in_the_middle_is_a_reason_to_try_again(server, served, pull):
    put(served, "large.zip", random.Random(1).randbytes(4_000_000))
    with line(server.port, 2_000_000) as cut:
        settings = to(server, port=cut.port)
        with pytest.raises(SourceUnreachable):
            pull(settings)
        assert pull(settings).files[0].size_bytes == 4_000_000


def test_a_folder_that_is_missing_or_empty_is_said(server, served, pull):
    with pytest.raises(ExportNotReady, match="has no export in the folder"):
        pull(to(server))
    missing = f"{server.path}/none"
    with pytest.raises(ExportNotReady) as told:
        pull(to(server, path=missing))
    assert str(told.value) == f"The server says there is nothing: open the folder {missing}."
    assert "`path`" in told.value.hint


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere, and read")
def test_what_we_may_not_read_is_refused_and_said_so(server, served, pull):
    put(served, "a.csv")
    (served / "a.csv").chmod(0)
    with pytest.raises(SourceRefused, match="does not allow us to open the export"):
        pull(to(server))
    served.chmod(0)
    try:
        with pytest.raises(SourceRefused, match="does not allow us to open the folder"):
            pull(to(server))
    finally:
        served.chmod(0o700)


def test_names_of_all_letters_come_as_they_are(server, served, pull):
    names = ["Kunden & Käufer 2026.csv", "顧客 (1).csv", "-rf.csv", "a'b\"c$d`e;.csv", "50%.csv"]
    for number, name in enumerate(names):
        put(served, name, b"id\n%d\n" % number)
    put(served, b"K\xe4ufer.csv", b"id\n9\n")  # Latin-1, as old programs write it
    got = contents(pull(to(server, newest=0)))
    assert {name: got.get(name) for name in names} == {
        name: b"id\n%d\n" % number for number, name in enumerate(names)
    }
    (odd,) = set(got) - set(names)
    assert got[odd] == b"id\n9\n"


def test_of_a_thousand_files_the_newest_is_found(server, served, pull):
    for number in range(1000):
        put(served, f"backup-of-the-customers-{number:04}.csv", b"%d" % number, LONG_AGO - number)
    assert contents(pull(to(server))) == {"backup-of-the-customers-0000.csv": b"0"}

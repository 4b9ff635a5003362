"""Exports come over SFTP from a server whose key was confirmed, whole and unchanged, or not."""

from __future__ import annotations

import hashlib
import os
import random
import socket
import struct
import threading
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import paramiko
import pytest

from appliance.core.errors import (
    Cancelled,
    ExportNotReady,
    ExportUnsafe,
    SourceRefused,
    SourceUnreachable,
)
from appliance.core.model import SeenFile
from appliance.core.ports import Watch
from appliance.sources import hostkeys, sftp
from appliance.sources.sftp import SftpSettings
from tests.sources.stub_sftp import (
    DEVICE,
    DIRECTORY,
    FIFO,
    LINK,
    FallSilent,
    File,
    HangUp,
    Stub,
    running,
)
from tests.sources.test_landing import HOSTILE

AT = datetime(2026, 11, 21, 3, tzinfo=UTC)


def to_stub(stub: Stub, **changes) -> SftpSettings:
    settings = SftpSettings(
        name="crm",
        host="127.0.0.1",
        port=stub.port,
        user=stub.user,
        password=stub.password,
        host_key=stub.fingerprint,
        stable_for_seconds=0,
        reserve_bytes=0,
        idle_seconds=5,
        connect_seconds=5,
    )
    return replace(settings, **changes)


def to_sshd(sshd, **changes) -> SftpSettings:
    settings = SftpSettings(
        name="crm",
        host=sshd.host,
        port=sshd.port,
        user=sshd.user,
        key_file=str(sshd.user_key.private),
        path=sshd.root or ".",
        stable_for_seconds=0,
        reserve_bytes=0,
        connect_seconds=10,
    )
    settings = replace(settings, **changes)
    return settings if settings.host_key else replace(settings, host_key=shown(settings))


def shown(settings: SftpSettings) -> str:
    return sftp.trust(settings).fingerprint


def stage(tmp_path: Path) -> Path:
    folder = tmp_path / f"stage{len(list(tmp_path.iterdir()))}"
    folder.mkdir()
    return folder


def pull(settings, tmp_path, seen=(), watch=None):
    return sftp.pull(settings, stage(tmp_path), AT, seen, watch or Watch())


def staged(tmp_path: Path) -> list[str]:
    return sorted(path.name for folder in tmp_path.glob("stage*") for path in folder.iterdir())


def seen_of(export) -> tuple[SeenFile, ...]:
    return tuple(SeenFile(f.name, f.size_bytes, f.sha256, f.modified) for f in export.files)


# ---- real OpenSSH -------------------------------------------------------------------------


def test_the_newest_export_of_a_real_server_arrives_whole(sshd, served, tmp_path):
    content = random.Random(1).randbytes(3_000_001)
    (served / "old.zip").write_bytes(b"old")
    os.utime(served / "old.zip", (1, 1))
    (served / "new.zip").write_bytes(content)
    told = []
    export = pull(to_sshd(sshd), tmp_path, watch=Watch(told.append))
    (file,) = export.files
    assert file.name == "new.zip"
    assert file.sha256 == hashlib.sha256(content).hexdigest()
    assert file.path.read_bytes() == content
    assert file.modified == datetime.fromtimestamp(int((served / "new.zip").stat().st_mtime), UTC)
    assert (export.source, export.pulled_at) == ("crm", AT)
    assert told[-1].done == told[-1].total == len(content)


def test_what_was_archived_is_not_pulled_again_until_it_changes(sshd, served, tmp_path):
    (served / "a.csv").write_text("id\n1\n")
    first = pull(to_sshd(sshd), tmp_path)
    assert pull(to_sshd(sshd), tmp_path, seen_of(first)) is None
    (served / "a.csv").write_text("id\n1\n2\n")
    assert pull(to_sshd(sshd), tmp_path, seen_of(first)).files[0].size_bytes == 7


def test_newest_0_brings_everything_not_yet_archived_in_order_of_time(sshd, served, tmp_path):
    for number in range(3):
        (served / f"{number}.csv").write_text(str(number))
        os.utime(served / f"{number}.csv", (number, 1000 - number))
    settings = to_sshd(sshd, newest=0)
    first = pull(settings, tmp_path)
    assert [file.name for file in first.files] == ["2.csv", "1.csv", "0.csv"]
    (served / "3.csv").write_text("3")
    second = pull(settings, tmp_path, seen_of(first))
    assert [file.name for file in second.files] == ["3.csv"]
    assert pull(settings, tmp_path, seen_of(first) + seen_of(second)) is None


def test_newest_2_brings_two(sshd, served, tmp_path):
    for number in range(3):
        (served / f"{number}.csv").write_text(str(number))
        os.utime(served / f"{number}.csv", (number, number))
    export = pull(to_sshd(sshd, newest=2), tmp_path)
    assert [file.name for file in export.files] == ["1.csv", "2.csv"]


def test_C3_unfinished_hidden_and_unwanted_names_are_left_alone(sshd, served, tmp_path):
    for name in ("a.zip.part", "b.FILEPART", "c.tmp", ".d.zip", "e.txt"):
        (served / name).write_text("x")
    (served / "folder.zip").mkdir()
    with pytest.raises(ExportNotReady):
        pull(to_sshd(sshd, pick=["*.zip", "*.part", "*.filepart", "*.tmp"]), tmp_path)
    (served / "GOOD.ZIP").write_text("x")
    assert pull(to_sshd(sshd, pick=["*.zip"]), tmp_path).files[0].name == "GOOD.ZIP"


def test_C6_links_and_devices_on_a_real_server_are_not_exports(sshd, served, tmp_path):
    (served / "link.csv").symlink_to("/etc/passwd")
    os.mkfifo(served / "fifo.csv")
    with pytest.raises(ExportNotReady):
        pull(to_sshd(sshd), tmp_path)


def test_an_empty_export_is_not_one(sshd, served, tmp_path):
    (served / "a.csv").touch()
    with pytest.raises(ExportNotReady, match="empty"):
        pull(to_sshd(sshd), tmp_path)


def test_a_missing_folder_is_said_so(sshd, served, tmp_path):
    with pytest.raises(ExportNotReady, match="nowhere"):
        pull(to_sshd(sshd, path="/nowhere"), tmp_path)


def test_an_old_file_needs_a_glance_only_and_a_young_one_is_watched(sshd, served, tmp_path):
    file = served / "a.csv"
    file.write_text("x")
    looks = []

    class Looking(threading.Event):
        def wait(self, timeout=None):
            looks.append(timeout)
            return super().wait(min(timeout, 0.05))

    old = datetime.now(UTC).timestamp() - 4000
    os.utime(file, (old - 1, old))
    pull(to_sshd(sshd, stable_for_seconds=60), tmp_path, watch=Watch(cancel=Looking()))
    assert looks
    assert max(looks) <= 2.0
    looks.clear()
    os.utime(file)
    pull(to_sshd(sshd, stable_for_seconds=0.5), tmp_path, watch=Watch(cancel=Looking()))
    assert len(looks) >= 5


def test_C3_a_growing_file_is_not_taken(sshd, served, tmp_path):
    file = served / "a.csv"
    file.write_text("x")

    def grow(_progress):
        with file.open("a") as more:
            more.write("more\n")

    with pytest.raises(ExportNotReady, match="growing"):
        pull(to_sshd(sshd, stable_for_seconds=0.1), tmp_path, watch=Watch(grow))
    assert staged(tmp_path) == []


def test_C3_a_file_that_stops_growing_is_taken_whole(sshd, served, tmp_path):
    file = served / "a.csv"
    file.write_text("x")
    rounds = []

    def grow(progress):
        if progress.note and len(rounds) < 3:
            rounds.append(1)
            with file.open("a") as more:
                more.write("more")

    export = pull(to_sshd(sshd, stable_for_seconds=0.3), tmp_path, watch=Watch(grow))
    assert export.files[0].path.read_text() == "xmoremoremore"


def test_C3_append_and_rename_during_the_pull_are_noticed(sshd, served, tmp_path):
    file = served / "a.csv"
    for change in ("append", "replace", "remove"):
        file.write_bytes(bytes(2_000_000))

        def meddle(progress, change=change):
            if not progress.done > 0:
                return
            if change == "append":
                with file.open("ab") as more:
                    more.write(b"more")
            elif change == "replace":
                other = served / ".other"
                other.write_bytes(b"\1" * 2_000_000)
                os.utime(other, (5, 5))
                other.replace(file)
            else:
                file.unlink(missing_ok=True)

        with pytest.raises(ExportNotReady):
            pull(to_sshd(sshd), tmp_path, watch=Watch(meddle))
        assert staged(tmp_path) == []


def test_a_cancelled_pull_ends_and_leaves_nothing(sshd, served, tmp_path):
    (served / "a.csv").write_bytes(bytes(5_000_000))
    watch = Watch(lambda progress: watch.cancel.set())
    with pytest.raises(Cancelled):
        pull(to_sshd(sshd), tmp_path, watch=watch)
    assert staged(tmp_path) == []


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", pytest.param("rsa", marks=pytest.mark.slow)])
def test_every_kind_of_key_logs_in_with_and_without_passphrase(sshd, served, tmp_path, kind):
    (served / "a.csv").write_text("x")
    key = new_key(tmp_path / "plain", kind, "")
    locked = new_key(tmp_path / "locked", kind, "open sesame")
    publics = [Path(f"{path}.pub").read_text() for path in (key, locked)]
    sshd.authorized_keys.write_text("".join(publics))
    assert pull(to_sshd(sshd, key_file=str(key)), tmp_path)
    assert pull(to_sshd(sshd, key_file="", key=key.read_text()), tmp_path)
    with_it = to_sshd(sshd, key_file=str(locked), key_passphrase="open sesame")
    assert pull(with_it, tmp_path)
    with pytest.raises(SourceRefused, match="passphrase, and none"):
        pull(replace(with_it, key_passphrase=""), tmp_path)
    with pytest.raises(SourceRefused, match="cannot be opened with the passphrase"):
        pull(replace(with_it, key_passphrase="wrong"), tmp_path)


def new_key(path: Path, kind: str, passphrase: str) -> Path:
    from appliance.system import process

    argv = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-f", str(path)]
    assert process.run(argv).code == 0
    return path


def test_a_key_the_server_does_not_know_is_refused(sshd, served, tmp_path):
    stranger = new_key(tmp_path / "stranger", "ed25519", "")
    with pytest.raises(SourceRefused, match="did not accept the user name"):
        pull(to_sshd(sshd, key_file=str(stranger)), tmp_path)


@pytest.mark.parametrize("text", ["nonsense", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"])
def test_a_damaged_key_is_refused_before_anything_is_sent(tmp_path, text):
    settings = SftpSettings("crm", "192.0.2.1", "u", key=text, host_key="SHA256:x")
    with pytest.raises(SourceRefused):
        pull(settings, tmp_path)
    with pytest.raises(SourceRefused):
        pull(replace(settings, key="", key_file=str(tmp_path / "none")), tmp_path)
    with pytest.raises(SourceRefused, match="Neither"):
        pull(replace(settings, key=""), tmp_path)


def test_trust_shows_what_ssh_keygen_shows_and_its_pin_lets_us_in(sshd, served, tmp_path):
    from appliance.system import process

    (served / "a.csv").write_text("x")
    public = tmp_path / "host.pub"
    public.write_text(sshd.host_key.public_line + "\n")
    lines = []
    process.run(["ssh-keygen", "-lf", str(public)], on_line=lines.append)
    known = tmp_path / "state" / "known_hosts"
    settings = to_sshd(sshd, host_key="SHA256:unset", known_hosts=str(known))
    key = sftp.trust(settings)
    assert key.fingerprint == lines[0].split()[1]
    assert key.line.split()[:3] == sshd.known_hosts_line.split()[:3]
    unpinned = replace(settings, host_key="")
    with pytest.raises(SourceRefused) as refused:
        pull(unpinned, tmp_path)
    assert "appliance trust crm" in refused.value.hint
    hostkeys.pin(known, key, date(2026, 11, 21))
    assert pull(unpinned, tmp_path)


# ---- a server that is not what it should be ------------------------------------------------


def test_C1_no_pin_means_not_even_a_connection(tmp_path):
    with running(Stub({b"a": File(b"x")})) as stub:
        with pytest.raises(SourceRefused, match="confirmed"):
            pull(to_stub(stub, host_key=""), tmp_path)
        assert stub.attempts == []


def test_C1_an_interceptor_gets_no_name_no_secret_and_no_request(tmp_path):
    key = paramiko.ECDSAKey.generate()
    pem = tmp_path / "key"
    key.write_private_key_file(str(pem))
    with running(Stub({b"a": File(b"x")}, user_key=key)) as stub:
        settings = to_stub(stub, host_key="SHA256:" + "A" * 43, key_file=str(pem))
        with pytest.raises(SourceRefused, match="another host key"):
            pull(settings, tmp_path)
        sftp.trust(settings)
        assert stub.attempts == []
        assert stub.asked == []


def test_C2_a_changed_host_key_is_refused_with_both_fingerprints_until_pinned(tmp_path):
    known = tmp_path / "known_hosts"
    with running(Stub({b"a": File(b"x")})) as stub:
        settings = to_stub(stub, host_key="", known_hosts=str(known))
        old = sftp.trust(settings)
        hostkeys.pin(known, old, date(2026, 11, 21))
        assert pull(settings, tmp_path)
        port = stub.port
    with running(Stub({b"a": File(b"x")}, port=port)) as changed:
        with pytest.raises(SourceRefused) as refused:
            pull(settings, tmp_path)
        assert changed.attempts == []
        assert old.fingerprint in refused.value.detail
        assert changed.fingerprint in refused.value.detail
        hostkeys.pin(known, sftp.trust(settings), date(2026, 11, 22))
        assert pull(settings, tmp_path)
    assert f"# replaced 2026-11-22: {old.line}" in known.read_text().splitlines()


def test_C2_a_pinned_rsa_key_is_found_beside_a_server_s_other_keys(sshd, served, tmp_path):
    from tests import servers

    (served / "a.csv").write_text("x")
    rsa = new_key(tmp_path / "host_rsa", "rsa", "")
    fingerprint = paramiko.RSAKey.from_private_key_file(str(rsa)).fingerprint
    with servers.sshd(tmp_path / "two", served, extra=f"HostKey {rsa}") as two:
        assert pull(to_sshd(two, host_key=fingerprint), tmp_path)
        known = tmp_path / "known"
        public = Path(f"{rsa}.pub").read_text().split()
        known.write_text(f"[127.0.0.1]:{two.port} {public[0]} {public[1]}\n")
        assert pull(replace(to_sshd(two, known_hosts=str(known)), host_key=""), tmp_path)


def test_wrong_password_and_unknown_user_are_refused_once(tmp_path):
    with running(Stub({b"a": File(b"x")})) as stub:
        for change in ({"password": "canary-4711"}, {"user": "nobody"}):
            with pytest.raises(SourceRefused, match="did not accept") as refused:
                pull(to_stub(stub, **change), tmp_path)
            assert "canary-4711" not in repr(refused.value.__dict__) + str(refused.value)
        assert stub.attempts == [("password", "backup"), ("password", "nobody")]


def test_C19_the_key_goes_before_the_password(tmp_path):
    key = paramiko.ECDSAKey.generate()
    pem = tmp_path / "key"
    key.write_private_key_file(str(pem))
    with running(Stub({b"a": File(b"x")}, user_key=key)) as stub:
        assert pull(to_stub(stub, key_file=str(pem)), tmp_path)
        assert {kind for kind, _ in stub.attempts} == {"publickey"}
    with running(Stub({b"a": File(b"x")})) as stub:
        assert pull(to_stub(stub, key_file=str(pem)), tmp_path)
        assert stub.attempts[-1] == ("password", "backup")


@pytest.mark.parametrize(
    "old",
    [
        {"ciphers": ("3des-cbc", "aes128-cbc")},
        {"ciphers": ("aes128-ctr",), "digests": ("hmac-md5", "hmac-sha1-96")},
    ],
)
def test_C19_only_old_algorithms_are_refused_in_clear_words(tmp_path, old):
    with running(Stub({b"a": File(b"x")}), **old) as stub:
        with pytest.raises(SourceRefused, match="outdated encryption"):
            pull(to_stub(stub), tmp_path)
        assert stub.attempts == []


def test_nobody_listening_no_such_name_and_no_answer_are_told_apart(tmp_path):
    base = SftpSettings("crm", "127.0.0.1", "u", password="p", host_key="SHA256:x")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        refused = replace(base, port=closed.getsockname()[1])
        with pytest.raises(SourceUnreachable, match="refused"):
            pull(refused, tmp_path)
    with pytest.raises(SourceUnreachable, match="no server named"):
        pull(replace(base, host="crm.invalid"), tmp_path)
    with pytest.raises(SourceUnreachable, match="no server named"):
        pull(replace(base, host="x" * 70 + ".invalid"), tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        silent = replace(base, port=mute.getsockname()[1], connect_seconds=0.5)
        with pytest.raises(SourceUnreachable):
            pull(silent, tmp_path)


def test_C5_a_web_server_on_the_port_is_not_ssh(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 300)

        thread = threading.Thread(target=answer)
        thread.start()
        settings = SftpSettings("crm", "127.0.0.1", "u", server.getsockname()[1], "p")
        with pytest.raises(SourceUnreachable):
            pull(replace(settings, host_key="SHA256:x", connect_seconds=3), tmp_path)
        thread.join()


@pytest.mark.parametrize("most", [1 << 20, 1000, 32767])
@pytest.mark.parametrize("shuffle", [False, True])
def test_short_and_unordered_answers_are_put_together(tmp_path, most, shuffle):
    content = random.Random(2).randbytes(1_500_007)
    with running(Stub({b"a": File(content)}, most_bytes=most, shuffle=shuffle)) as stub:
        (file,) = pull(to_stub(stub), tmp_path).files
        assert file.sha256 == hashlib.sha256(content).hexdigest()
        assert stub.largest_read <= 32768  # it never said that it can do more


def test_C20_nothing_is_ever_written_to_the_server(tmp_path):
    files = {b"%d.csv" % number: File(b"x" * number) for number in range(1, 20)}
    with running(Stub(files)) as stub:
        first = pull(to_stub(stub, newest=0, stable_for_seconds=0.1), tmp_path)
        assert len(first.files) == 19
        pull(to_stub(stub), tmp_path, seen_of(first))
        assert stub.writes == []
        assert set(stub.asked) <= {1, 3, 4, 5, 7, 8, 11, 12, 17}


def test_C4_a_thousand_bytes_announced_and_eight_delivered_are_refused(tmp_path):
    with running(Stub({b"a": File(b"12345678", size=1000)})) as stub:
        with pytest.raises(ExportUnsafe, match="cut off"):
            pull(to_stub(stub), tmp_path)
        assert staged(tmp_path) == []


@pytest.mark.slow
def test_C4_a_transfer_cut_at_any_offset_is_refused(tmp_path):
    dice = random.Random(4)
    whole = dice.randbytes(200_000)
    for _ in range(12):
        cut = dice.randrange(len(whole))

        def hang_up(name, offset, cut=cut):
            if offset + 32768 > cut:
                raise HangUp

        with (
            running(Stub({b"a": File(whole)}, before_read=hang_up)) as stub,
            pytest.raises(SourceUnreachable),
        ):
            pull(to_stub(stub), tmp_path)
        with (
            running(Stub({b"a": File(whole[:cut], size=len(whole))})) as stub,
            pytest.raises(ExportUnsafe),
        ):
            pull(to_stub(stub), tmp_path)
    assert staged(tmp_path) == []


def test_C4_a_file_that_shrinks_during_the_pull_is_not_ready(tmp_path):
    files = {b"a": File(bytes(500_000))}

    def shrink(name, offset):
        if offset > 300_000:
            files[b"a"] = File(b"tiny", modified=1_700_000_001)

    with running(Stub(files, before_read=shrink)) as stub, pytest.raises(ExportNotReady):
        pull(to_stub(stub), tmp_path)
    assert staged(tmp_path) == []


def test_C5_a_server_that_falls_silent_at_any_byte_is_given_up(tmp_path):
    dice = random.Random(5)
    for _ in range(3):
        stop = dice.randrange(400_000)

        def fall_silent(name, offset, stop=stop):
            if offset + 32768 > stop:
                raise FallSilent

        with (
            running(Stub({b"a": File(bytes(400_000))}, before_read=fall_silent)) as stub,
            pytest.raises(SourceUnreachable, match="stopped sending"),
        ):
            pull(to_stub(stub, idle_seconds=0.6), tmp_path)
    assert staged(tmp_path) == []


def test_C5_silence_before_the_listing_is_given_up(tmp_path):
    def fall_silent():
        raise FallSilent

    with (
        running(Stub({b"a": File(b"x")}, before_list=fall_silent)) as stub,
        pytest.raises(SourceUnreachable, match="in time"),
    ):
        pull(to_stub(stub, idle_seconds=0.5), tmp_path)


def test_C15_a_dripping_server_is_given_up(tmp_path):
    pause = threading.Event()

    def drip(name, offset):
        pause.wait(0.05)

    with (
        running(Stub({b"a": File(bytes(100_000))}, most_bytes=10, before_read=drip)) as stub,
        pytest.raises(SourceUnreachable, match="longer than allowed"),
    ):
        pull(to_stub(stub, total_seconds=1), tmp_path)


def test_a_cancel_is_noticed_while_the_server_is_silent(tmp_path):
    watch = Watch()

    def fall_silent(name, offset):
        watch.cancel.set()
        raise FallSilent

    with (
        running(Stub({b"a": File(bytes(100))}, before_read=fall_silent)) as stub,
        pytest.raises(Cancelled),
    ):
        pull(to_stub(stub, idle_seconds=60), tmp_path, watch=watch)


def test_C6_hostile_names_links_and_devices_of_a_server_are_harmless(tmp_path):
    names = [name.encode("utf-8", "surrogatepass")[:5000] for name in HOSTILE]
    files = {name: File(b"%d" % number, number + 1) for number, name in enumerate(names)}
    files |= {b"\xff\xfe\xfd": File(b"not utf-8"), b"umlaut-\xfc.csv": File(b"latin-1")}
    for kind in (LINK, DEVICE, DIRECTORY, FIFO):
        files[b"kind-%o.csv" % kind] = File(b"evil", mode=kind)
    with running(Stub(files)) as stub:
        export = pull(to_stub(stub, newest=0), tmp_path)
        opened = {path.removeprefix(b"./") for path in stub.opened}
    assert all(file.path.name.isdigit() for file in export.files)
    assert len(export.files) == len(list(export.files[0].path.parent.iterdir()))
    assert len({file.name for file in export.files}) == len(export.files)
    assert b"latin-1" in {file.path.read_bytes() for file in export.files}
    assert not any(file.path.read_bytes() == b"evil" for file in export.files)
    assert not any(b"/" in name or name in (b"", b".", b"..") for name in opened)


def test_C7_a_pebibyte_announced_is_refused_before_a_byte_is_asked_for(tmp_path):
    with running(Stub({b"a": File(b"x", size=1 << 50)})) as stub:
        with pytest.raises(ExportUnsafe, match="limit"):
            pull(to_stub(stub), tmp_path)
        assert 5 not in stub.asked


def test_a_server_that_tells_no_size_is_refused(tmp_path):
    with running(Stub({b"a": File(b"x", size=-1)})) as stub, pytest.raises(ExportUnsafe):
        pull(to_stub(stub), tmp_path)


def test_a_server_that_lists_names_only_is_asked_for_each(tmp_path):
    files = {b"a.csv": File(b"x", mode=None)}
    with running(Stub(files)) as stub, pytest.raises(ExportNotReady):
        pull(to_stub(stub), tmp_path)


@pytest.mark.parametrize("seed", range(25))
def test_garbage_answers_end_in_one_of_our_errors(tmp_path, seed):
    dice = random.Random(seed)
    kind_to_spoil = dice.choice([3, 5, 7, 8, 11, 12])
    answer_kind = dice.choice([0, 101, 102, 103, 104, 105, 201, 255])

    def spoil(kind, packet):
        if kind != kind_to_spoil:
            return None
        body = dice.randbytes(dice.choice([0, 3, 4, 9, 40]))
        number = packet[:4] if dice.random() < 0.7 else dice.randbytes(4)
        return bytes([answer_kind]) + number + body

    with (
        running(Stub({b"a": File(bytes(100))}, raw_answer=spoil)) as stub,
        pytest.raises((SourceUnreachable, ExportUnsafe, ExportNotReady, SourceRefused)),
    ):
        pull(to_stub(stub, idle_seconds=0.6), tmp_path)
    assert staged(tmp_path) == []


def test_more_than_was_asked_for_is_refused(tmp_path):
    def too_much(kind, packet):
        if kind != 5:
            return None
        return b"\x67" + packet[:4] + struct.pack(">I", 200) + bytes(200)

    with (
        running(Stub({b"a": File(bytes(100))}, raw_answer=too_much)) as stub,
        pytest.raises(SourceUnreachable, match="protocol"),
    ):
        pull(to_stub(stub), tmp_path)


def test_an_endless_folder_ends(tmp_path, monkeypatch):
    monkeypatch.setattr("appliance.sources.sftp.folder._MOST_ENTRIES", 500)
    one = struct.pack(">I", 1) + struct.pack(">I", 1) + b"a" + struct.pack(">I", 0) + bytes(4)

    def endless(kind, packet):
        return b"\x68" + packet[:4] + one if kind == 12 else None

    with (
        running(Stub(raw_answer=endless)) as stub,
        pytest.raises((SourceUnreachable, ExportUnsafe)),
    ):
        pull(to_stub(stub), tmp_path)


def test_memory_stays_flat_however_slow_the_disk(tmp_path):
    import tracemalloc

    stub = Stub({b"a": File(bytes(1 << 20), size=24 << 20)})

    def read(kind, packet):
        if kind != 5:
            return None
        return b"\x67" + packet[:4] + struct.pack(">I", 32768) + bytes(32768)

    stub.raw_answer = read
    with running(stub):
        tracemalloc.start()
        pull(to_stub(stub), tmp_path)
        _now, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 16 << 20  # both ends of the connection are in this process

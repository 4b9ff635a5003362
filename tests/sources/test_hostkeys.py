"""A pinned host key is remembered as OpenSSH would, and never half."""

from __future__ import annotations

import os
from datetime import date

import pytest

from appliance.sources.hostkeys import HostKey, pin, pinned
from appliance.system import process

TODAY = date(2026, 11, 21)


def key(blob: bytes = b"one", host: str = "crm.example.org", port: int = 22) -> HostKey:
    return HostKey(host, port, "ssh-ed25519", blob)


def test_C2_the_newest_pin_is_the_only_one_and_the_old_one_stays_readable(tmp_path):
    known = tmp_path / "state" / "known_hosts"
    pin(known, key(b"one"), TODAY)
    pin(known, key(b"other", "else.example.org"), TODAY)
    pin(known, key(b"two"), TODAY)
    assert pinned(known, "crm.example.org", 22) == (key(b"two"),)
    assert pinned(known, "else.example.org", 22) == (key(b"other", "else.example.org"),)
    assert f"# replaced 2026-11-21: {key(b'one').line}" in known.read_text()
    pin(known, key(b"two"), TODAY)
    assert known.read_text().count(key(b"two").line) == 1
    assert os.listdir(known.parent) == ["known_hosts"]  # noqa: PTH208 - a list compares at once


def test_ports_are_told_apart(tmp_path):
    known = tmp_path / "known_hosts"
    pin(known, key(b"one", port=2222), TODAY)
    assert pinned(known, "crm.example.org", 22) == ()
    assert pinned(known, "crm.example.org", 2222) == (key(b"one", port=2222),)
    assert known.read_text().startswith("[crm.example.org]:2222 ssh-ed25519 ")


def test_what_cannot_be_used_is_passed_over(tmp_path):
    known = tmp_path / "known_hosts"
    assert pinned(known, "crm.example.org", 22) == ()
    good = key(b"good").line
    known.write_bytes(
        b"\xff\xfe\n\n# crm.example.org ssh-ed25519 AAAA\n@revoked crm.example.org x AAAA\n"
        b"|1|abc|def ssh-ed25519 AAAA\ncrm.example.org ssh-ed25519\n"
        b"crm.example.org ssh-ed25519 !!!!\n" + f"a,{good}\n{good} comment\n".encode()
    )
    assert pinned(known, "crm.example.org", 22) == (key(b"good"), key(b"good"))


def test_openssh_reads_what_was_pinned(tmp_path, sshd):
    words = sshd.host_key.public_line.split()
    from base64 import b64decode

    known = tmp_path / "known_hosts"
    pin(known, HostKey(sshd.host, sshd.port, words[0], b64decode(words[1])), TODAY)
    found: list[str] = []
    argv = ["ssh-keygen", "-F", f"[{sshd.host}]:{sshd.port}", "-f", str(known)]
    assert process.run(argv, on_line=found.append).code == 0
    assert words[1] in found[-1]


def test_F4_a_pin_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    known = tmp_path / "known_hosts"
    pin(known, key(b"one"), TODAY)
    before = known.read_bytes()

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        pin(known, key(b"two"), TODAY)
    assert known.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["known_hosts"]

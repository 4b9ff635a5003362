"""What is about to be set is tried on real servers: nothing is taken, and no secret goes astray."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from appliance.core.errors import ApplianceError, SourceUnreachable
from appliance.sources.hostkeys import pinned
from tests import servers
from tests.real_servers.contacts import card
from tests.servers import free_port, s3_client
from tests.sources.contacts_stub import FakeContacts
from tests.sources.stub import stub
from tests.test_desk import CANARY, Room

START = '[appliance]\nstate = "/var/lib/appliance"\ntimezone = "UTC"\n'
OLD = 1_700_000_000


@pytest.fixture
def room(tmp_path: Path) -> Room:
    (folder := tmp_path / "office").mkdir()
    return Room(folder, START)


def put(folder: Path, name: str, size: int, age: int = 0) -> None:
    (folder / name).write_bytes(b"x" * size)
    os.utime(folder / name, (OLD - age, OLD - age))


def sftp_wish(room: Room, server, **more: str) -> dict[str, str]:
    key = room.type(server.user_key.private.read_text())
    wish = {"name": "crm", "type": "sftp", "host": server.host, "port": str(server.port)}
    return wish | {"user": server.user, "key": key, "path": server.root or "."} | more


def test_a_server_that_nobody_confirmed_shows_its_key_and_is_sent_nothing(room, sshd, served):
    put(served, "a.csv", 10)
    told = room.engine.try_source("crm", sftp_wish(room, sshd, key=room.type(CANARY)))
    assert told["problems"] == []
    sight = told["sight"]
    assert (sight["confirmed"], sight["files"], told["error"]) == (False, [], None)
    assert sight["fingerprint"].startswith("SHA256:")
    assert sight["proof"] == "ssh-ed25519"


def test_once_confirmed_what_it_would_take_is_named_and_not_taken(room, sshd, served):
    put(served, "old.csv", 10, age=99)
    put(served, "new.csv", 12_345)
    put(served, "other.txt", 1)
    wish = sftp_wish(room, sshd, pick="*.csv", newest="0")
    shown = room.engine.try_source("crm", wish)["sight"]["fingerprint"]
    place = room.engine.trust_source("crm", wish, shown)
    assert str(sshd.port) in place
    (key,) = pinned(room.box.known_hosts, sshd.host, sshd.port)
    assert key.fingerprint == shown
    told = room.engine.try_source("crm", wish)
    assert told["error"] is None
    assert told["sight"]["confirmed"] is True
    files = told["sight"]["files"]
    assert [(one["name"], one["size_bytes"]) for one in files] == [
        ("new.csv", 12_345),
        ("old.csv", 10),
    ]
    assert files[0]["modified"] == "2023-11-14T22:13:20+00:00"
    assert room.box.ledger.runs() == ()


def test_another_key_than_the_one_that_was_looked_at_is_not_confirmed(room, sshd):
    wish = sftp_wish(room, sshd)
    with pytest.raises(ApplianceError, match="another key"):
        room.engine.trust_source("crm", wish, "SHA256:" + "A" * 43)
    assert not room.box.known_hosts.exists()


def test_a_server_that_shows_another_key_than_before_is_sent_nothing(room, sshd, served, tmp_path):
    wish = sftp_wish(room, sshd)
    before = room.engine.try_source("crm", wish)["sight"]["fingerprint"]
    line = f"[{sshd.host}]:{sshd.port} ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIF{'A' * 41}b\n"
    room.state.mkdir(exist_ok=True)
    room.box.known_hosts.write_text(line)
    told = room.engine.try_source("crm", wish)
    assert told["sight"]["confirmed"] is False
    assert told["sight"]["fingerprint"] == before
    assert told["sight"]["before"].startswith("SHA256:")
    assert "another host key" in told["error"]["message"]
    assert "appliance trust" not in told["error"]["hint"]


def test_a_login_that_is_refused_is_said_in_words_without_the_secret(room, sshd):
    wish = sftp_wish(room, sshd)
    room.engine.trust_source(
        "crm", wish, room.engine.try_source("crm", wish)["sight"]["fingerprint"]
    )
    told = room.engine.try_source("crm", wish | {"key": "", "password": room.type()})
    assert "did not accept" in told["error"]["message"]
    assert CANARY not in repr(told)
    assert told["sight"]["confirmed"] is True


def test_a_server_that_is_not_there_is_said_in_words(room):
    wish = {"name": "crm", "type": "sftp", "host": "127.0.0.1", "port": str(free_port())}
    wish |= {"user": "u", "password": room.type()}
    told = room.engine.try_source("crm", wish)
    assert "refused" in told["error"]["message"]
    with pytest.raises(SourceUnreachable):
        room.engine.trust_source("crm", wish, "SHA256:x")


def test_a_web_server_shows_its_certificate_and_what_it_would_send(room, https, served):
    put(served, "export.zip", 4711)
    room.file.write_text(
        START.replace("/var/lib/appliance", str(room.state))
        + f'[[source]]\nname = "site"\ntype = "http"\nurl = "{https.url("/bearer/export.zip")}"\n'
        f'ca_file = "{https.ca_file}"\n'
    )
    wish = {"auth.kind": "bearer", "auth.token": room.type(https.token)}
    told = room.engine.try_source("site", wish)
    assert told["error"] is None
    sight = told["sight"]
    assert sight["confirmed"] is True
    assert len(sight["fingerprint"].split(":")) == 32
    assert "good until" in sight["proof"]
    assert [(one["name"], one["size_bytes"]) for one in sight["files"]] == [("export.zip", 4711)]
    wrong = room.engine.try_source("site", {**wish, "auth.token": room.type()})
    assert "does not let us in" in wrong["error"]["message"]
    assert wrong["sight"]["fingerprint"] == sight["fingerprint"]
    assert CANARY not in repr(wrong)


def test_a_certificate_that_nobody_vouches_for_gets_no_token(room, https, served):
    put(served, "export.zip", 1)
    wish = {"name": "site", "type": "http", "url": https.url("/open/export.zip")}
    told = room.engine.try_source("site", wish)
    assert (told["sight"]["confirmed"], told["sight"]["files"]) == (False, [])
    assert "authority" in told["error"]["message"]


def test_a_contacts_server_tells_its_address_books(room, ca):
    fake = FakeContacts(books={"contacts": {"a.vcf": card("a", "A"), "b.vcf": card("b", "B")}})
    with stub(fake, ca) as at:
        url, place = at.url("/"), f'ca_file = "{ca.certificate}"\n'
        text = f'[[source]]\nname = "book"\ntype = "carddav"\nurl = "{url}"\n{place}'
        room.file.write_text(room.file.read_text() + text)
        wish = {"auth.kind": "basic", "auth.user": "ann", "auth.password": room.type()}
        told = room.engine.try_source("book", wish)
    assert (told["error"], told["sight"]["confirmed"]) == (None, True)
    assert [(one["name"], one["amount"]) for one in told["sight"]["files"]] == [
        ("contacts", "2 contacts")
    ]
    assert CANARY not in repr(told)


def test_an_inbox_tells_what_lies_in_it(room, tmp_path):
    inboxes = tmp_path / "inboxes"
    (inboxes / "two").mkdir(parents=True)
    text = f'[[source]]\nname = "one"\ntype = "inbox"\npath = "{inboxes}/one"\n'
    room.file.write_text(room.file.read_text() + text)
    put(inboxes / "two", "a.csv", 5)
    wish = {"name": "drop", "type": "inbox", "path": str(inboxes / "two")}
    told = room.engine.try_source("drop", wish)
    assert [one["name"] for one in told["sight"]["files"]] == ["a.csv"]
    assert (inboxes / "two" / "a.csv").exists()
    gone = room.engine.try_source("drop", wish | {"path": str(inboxes / "three")})
    assert "is not there" in gone["error"]["message"]


def test_what_is_wrong_with_the_form_comes_before_any_try(room):
    told = room.engine.try_source("crm", {"name": "crm", "type": "sftp", "port": "x"})
    assert {each["field"] for each in told["problems"]} == {"port"}
    told = room.engine.try_source("crm", {"name": "crm", "type": "sftp", "host": "h"})
    assert {each["field"] for each in told["problems"]} == {"user"}


def test_one_try_at_a_time(room):
    with room.engine.trials._alone(), pytest.raises(ApplianceError, match="under way"):
        room.engine.try_source("d", {"name": "d", "type": "inbox", "path": "/srv/x"})


def account_of(server: servers.S3, secret: str = "") -> str:
    lines = ["[office]", "type = s3", f"provider = {server.provider}", "env_auth = false"]
    lines += [f"access_key_id = {server.access_key}"]
    lines += [f"secret_access_key = {secret or server.secret_key}"]
    return "\n".join([*lines, f"endpoint = {server.endpoint}", "region = us-east-1", ""])


def cloud_wish(room: Room, server: servers.S3, secret: str = "") -> dict[str, str]:
    text = room.file.read_text()
    if "[[repository]]" not in text:
        text += f'[[repository]]\nname = "nas"\npath = "{room.folder}/nas"\n'
        room.file.write_text(text + 'passphrase = "${secret:nas}"\n')
    account = room.type(account_of(server, secret))
    return {"name": "cloud", "repository": "nas", "account": account, "folder": server.bucket}


def test_a_cloud_is_tried_with_a_small_object_and_what_was_pasted_leaves_no_trace(
    room, versioned_s3
):
    wish = cloud_wish(room, versioned_s3)
    told = room.engine.try_cloud("cloud", wish)
    assert told == {"problems": [], "keeps": False, "error": None}
    with s3_client(versioned_s3) as client:
        assert client.list_object_versions(Bucket=versioned_s3.bucket).get("Versions", []) == []
    assert list((room.state / "clouds").iterdir()) == []
    assert room.saved("mirror", "cloud", wish).mirror_named("cloud").remote == (
        f"office:{versioned_s3.bucket}"
    )


def test_a_cloud_that_says_no_is_said_in_words_without_the_key(room, s3):
    told = room.engine.try_cloud("cloud", cloud_wish(room, s3, CANARY))
    assert told["keeps"] is None
    assert "cloud" in told["error"]["message"]
    assert CANARY not in repr(told)
    assert list((room.state / "clouds").iterdir()) == []


def test_a_cloud_that_never_answers_is_given_up(room, s3, monkeypatch):
    from datetime import timedelta

    from appliance.changing import trials

    monkeypatch.setattr(trials, "WITHIN", timedelta(seconds=1))
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the call and says nothing
        wish = cloud_wish(room, s3)
        port = silent.getsockname()[1]
        account = account_of(s3).replace(s3.endpoint, f"http://127.0.0.1:{port}")
        told = room.engine.try_cloud("cloud", wish | {"account": room.type(account)})
    assert "did not answer" in told["error"]["message"]


def test_every_try_ends_and_leaves_no_thread(room, sshd):
    before = threading.active_count()
    room.engine.try_source("crm", sftp_wish(room, sshd))
    assert threading.active_count() <= before

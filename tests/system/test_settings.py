"""A running daemon takes changed settings over, whoever changed them, and no broken ones."""

from __future__ import annotations

import pytest

from appliance.core.errors import ApplianceError
from tests.system import processes
from tests.system.office import contacts, put
from tests.system.test_daemon import log, serving

pytestmark = pytest.mark.slow
CANARY = "canary-4711-secret"
PATIENCE = 60


def sources(client):
    return [each["source"] for each in client.status()["sources"]]


def test_what_the_page_saves_is_in_use_without_a_start(office):
    folder = office.inbox()
    office.disk()
    put(folder, "a.csv", contacts(30))
    with serving(office) as (process, client):
        facts = client.settings()
        (folder.parent / "second").mkdir()
        wish = {"name": "second", "type": "inbox", "path": str(folder.parent / "second")}
        told = client.preview_settings("source", "second", wish)
        assert told["problems"] == []
        told = client.change_settings("source", "second", wish, told["stamp"])
        assert told["saved"] is True
        assert told["in_use"] in {"now", "after what runs"}
        assert facts["stamp"] != client.settings()["stamp"]
        assert processes.until(lambda: sources(client) == ["by-hand", "second"], PATIENCE)
        assert client.settings()["waits"] is False
        put(folder.parent / "second", "b.csv", contacts(20))
        assert processes.until(lambda: "source=second outcome=ok" in log(office), PATIENCE)
        stale = client.change_settings("retention", "", {"daily": "3"}, facts["stamp"])
        assert stale["saved"] is False
        assert process.poll() is None
    assert "Traceback" not in log(office)


def test_what_is_changed_by_hand_is_in_use_and_what_is_broken_is_refused_and_told(office):
    office.inbox()
    office.disk()
    with serving(office) as (process, client):
        good = office.config.read_text()
        office.config.write_text(good.replace("by-hand", "dropped", 1))
        assert processes.until(lambda: sources(client) == ["dropped"], PATIENCE)
        office.config.write_text(good.replace('"inbox"', '"outbox"') + "[disks]\ngrace = 'soon'\n")
        assert processes.until(lambda: client.status()["configuration"], PATIENCE)
        problems = " ".join(client.status()["configuration"])
        assert "disks.grace" in problems
        assert "must be one of" in problems
        said = office.call("status").stdout
        assert "the last good one is in use" in said
        assert sources(client) == ["dropped"]
        new = office.config.with_name("new")
        new.write_text(good)
        new.replace(office.config)
        assert processes.until(lambda: sources(client) == ["by-hand"], PATIENCE)
        assert client.status()["configuration"] == []
        assert process.poll() is None
    assert "Traceback" not in log(office)


def test_E13_a_secret_typed_on_the_page_is_in_no_log_status_ledger_or_command_line(office):
    office.inbox()
    office.disk()
    with serving(office) as (_, client):
        wish = {"name": "shop", "type": "sftp", "host": "127.0.0.1", "port": "1", "user": "box"}
        wish["password"] = client.put_secret(CANARY)
        client.try_source("shop", wish)
        told = client.preview_settings("source", "shop", wish)
        assert client.change_settings("source", "shop", wish, told["stamp"])["saved"]
        assert processes.until(lambda: "shop" in sources(client), PATIENCE)
        with pytest.raises(ApplianceError, match="cannot be a secret"):
            client.put_secret("")
        seen = repr([client.settings(), client.status(), told, processes.of(office.folder)])
    secrets = office.state / "secrets"
    kept = [path for path in secrets.iterdir() if CANARY in path.read_text()]
    assert len(kept) == 1
    rest = [
        path
        for path in office.folder.rglob("*")
        if path.is_file() and path not in kept and CANARY.encode() in path.read_bytes()
    ]
    assert rest == []
    assert CANARY not in seen + log(office)


def test_a_start_with_a_broken_file_goes_on_with_the_last_good_one(office):
    """A power cut in the middle of somebody's editing must not cost tonight's backup."""
    office.inbox()
    office.disk()
    with serving(office) as (process, client):
        assert sources(client) == ["by-hand"]
        process.terminate()
        process.wait(20)
    good = office.config.read_text()
    office.config.write_text(good.replace('"inbox"', '"outbox"'))
    with serving(office) as (process, client):
        assert sources(client) == ["by-hand"]
        assert processes.until(lambda: client.status()["configuration"], PATIENCE)
        office.config.write_text(good)
        assert processes.until(lambda: not client.status()["configuration"], PATIENCE)
    (office.state / "last-good.toml").unlink()
    office.config.write_text(good.replace('"inbox"', '"outbox"'))
    assert "must be one of" in office.call("daemon").stderr

"""A link that somebody pastes is a file in the inbox at once, or nothing at all."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance import pasted
from appliance.box import Box
from appliance.config import load, parse
from appliance.core.errors import ApplianceError
from appliance.core.model import Trigger
from appliance.sources.links import files
from appliance.worker import Engine

NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)
LINK = "https://download.zoho.com/export/Data_001.zip?signature=0123456789abcdef"


def config(folder: Path, **more: str) -> str:
    keys = {"link_hosts": '["*.zoho.com"]'} | more
    lines = "".join(f"{key} = {value}\n" for key, value in keys.items())
    (folder / "inbox").mkdir(exist_ok=True)
    return (
        f'[appliance]\nstate = "{folder / "state"}"\n'
        f'[[source]]\nname = "hand"\ntype = "inbox"\npath = "{folder / "inbox"}"\n{lines}'
        '[[source]]\nname = "plain"\ntype = "inbox"\npath = "/srv/plain"\n'
        '[[source]]\nname = "site"\ntype = "http"\nurl = "https://a.example/x.zip"\n'
        f'[[repository]]\nname = "a"\npath = "{folder / "a"}"\npassphrase = "${{secret:a}}"\n'
    )


@pytest.fixture
def settings(tmp_path):
    return parse(config(tmp_path), complete=False)


def inbox(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "inbox").iterdir())


@pytest.mark.parametrize("typed", [LINK, f"  <{LINK}>\n", f"{LINK[:40]}\r\n{LINK[40:]}"])
def test_it_is_stored_so_that_the_inbox_reads_it_and_nobody_else_does(settings, tmp_path, typed):
    assert pasted.take(settings, "hand", typed, NOW) == "download.zoho.com"
    (file,) = inbox(tmp_path)
    assert file.stat().st_mode & 0o777 == 0o600
    assert files.read(file.name, file.read_bytes()).links[0].spellings == (LINK,)
    assert "0123456789abcdef" not in file.name


@pytest.mark.parametrize(
    ("source", "typed", "words"),
    [
        ("hand", "", "begins with https://"),
        ("hand", "hello", "begins with https://"),
        ("hand", "http://download.zoho.com/a.zip", "not protected"),
        ("hand", "https://files.evil.example/a.zip", "does not list"),
        ("hand", "https://zoho.com/a.zip", "does not list"),
        ("hand", "https://router/a.zip", "does not list"),
        ("hand", "https://a@download.zoho.com/a.zip", "user name"),
        ("hand", "https://download.zoho.com\\@evil.example/", "no link"),
        ("hand", "https://[::1/a.zip", "cannot be understood"),
        ("hand", "https://download.zoho.com/" + "a" * 9000, "too long"),
        ("hand", "file:///etc/passwd", "begins with https://"),
        ("hand", "https://download.zoho.com/\0", "no link"),
        ("hand", f"{LINK}\n{LINK}2", "several links"),
        ("hand", f"<{LINK}> <{LINK}2>", "several links"),
        ("plain", LINK, "follows no links"),
        ("site", LINK, "no inbox"),
        ("other", LINK, "no source named other"),
    ],
)
def test_what_may_not_be_fetched_is_said_at_once_and_not_stored(
    settings, tmp_path, source, typed, words
):
    with pytest.raises(ApplianceError, match=words) as caught:
        pasted.take(settings, source, typed, NOW)
    assert inbox(tmp_path) == []
    assert "a.zip" not in f"{caught.value.message} {caught.value.hint} {caught.value.detail}"


def test_what_is_pressed_twice_lies_there_once(settings, tmp_path):
    for minute in range(3):
        pasted.take(settings, "hand", LINK, NOW.replace(minute=minute))
    assert len(inbox(tmp_path)) == 1
    pasted.take(settings, "hand", f"{LINK}2", NOW)
    assert len(inbox(tmp_path)) == 2


def test_what_a_sudden_end_left_half_written_goes_with_the_next(settings, tmp_path):
    left = tmp_path / "inbox" / ".link-2026-11-20-030000-abc.url.0123.new"
    young = tmp_path / "inbox" / ".link-2026-11-21-030000-abc.url.0123.new"
    for each in (left, young):
        each.write_text(LINK)
    os.utime(left, (time.time() - 7200,) * 2)
    pasted.take(settings, "hand", LINK, NOW)
    assert not left.exists()
    assert young.exists(), "somebody may be writing it just now"


def test_the_worker_asks_for_a_run_and_its_ledger_holds_no_link(tmp_path):
    file = tmp_path / "appliance.toml"
    file.write_text(config(tmp_path))
    box = Box(load(file))
    engine = Engine(box, lambda: load(file), None, file)
    assert engine.fetch_link("hand", LINK, Trigger.PAGE) == "queued"
    assert [each.job for each in engine.runner.waiting()] == ["hand"]
    noted = str(box.ledger.runs(None, 10))
    assert "A download link to download.zoho.com was given to hand." in noted
    with pytest.raises(ApplianceError):
        engine.fetch_link("hand", "https://evil.example/x", Trigger.PAGE)
    box.ledger.close()
    written = b"".join(
        each.read_bytes() for each in (tmp_path / "state").rglob("*") if each.is_file()
    )
    assert b"0123456789abcdef" not in written

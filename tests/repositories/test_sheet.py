"""The emergency sheet: complete, printable, harmless, and enough to restore with stock Borg."""

from __future__ import annotations

import hashlib
import html
import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from html.parser import HTMLParser
from math import log2
from pathlib import Path

import pytest
import segno

import appliance
from appliance.core.ports import Watch
from appliance.repositories.sheet import (
    Sheet,
    facts,
    new_passphrase,
    render,
    word_list,
    words_of,
)
from tests.contract.test_repository import borg_at
from tests.repositories.staging import day, lay

SHEET = Sheet(
    appliance="Front office",
    repository="disk-a",
    repository_id="ab" * 32,
    location="/media/disk-a/repository",
    passphrase="abcd-efgh",
    key="BORG PAPER KEY v1\n 1: 616263 646566 - f1",
    borg_version="1.4.5",
    made=datetime(2026, 11, 21, tzinfo=UTC),
)


def test_A19_a_passphrase_has_128_bits_and_is_never_the_same() -> None:
    made = {new_passphrase() for _ in range(500)}
    assert len(made) == 500
    words = set(word_list())
    assert len(words) == 2048
    for each in made:
        assert set(words_of(each)) <= words
        assert len(words_of(each)) * log2(len(words)) >= 128


def test_the_words_are_the_well_known_list_and_no_two_begin_alike() -> None:
    text = "".join(f"{word}\n" for word in word_list())
    # As BIP 39's english.txt is known everywhere.
    known = "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda"
    assert hashlib.sha256(text.encode()).hexdigest() == known
    assert len({word[:4] for word in word_list()}) == 2048


def test_its_pieces_are_the_passphrase_again() -> None:
    for passphrase in ("abcd-efgh-2345", new_passphrase()):
        assert "-".join(words_of(passphrase)) == passphrase


def test_what_is_handed_to_the_page_says_what_the_printed_one_says() -> None:
    said, printed = facts(SHEET), html.unescape(render(SHEET))
    for _, value in said["rows"]:
        assert value in printed
    assert said["words"] == ["abcd", "efgh"]
    assert said["code"]["path"] in printed
    assert json.loads(json.dumps(said)).keys() == said.keys()
    for step in said["steps"]:
        assert re.sub(r"`(.*?)`", r"<code>\1</code>", step) in printed


def test_the_code_beside_the_words_is_the_passphrase() -> None:
    code = facts(SHEET)["code"]
    dark = {
        (int(x) + step, int(y))
        for x, y, width in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\3z", code["path"])
        for step in range(int(width))
    }
    drawn = list(segno.make_qr(SHEET.passphrase, error="q").matrix_iter(border=4))
    assert code["size"] == len(drawn)
    assert dark == {(x, y) for y, row in enumerate(drawn) for x, bit in enumerate(row) if bit}


def test_the_sheet_says_everything_that_is_needed() -> None:
    page = html.unescape(render(SHEET))
    for text in (SHEET.repository_id, SHEET.location, SHEET.passphrase, "borg extract", "1.4.5"):
        assert text in page
    assert "616263 646566" in page
    assert "21 November 2026" in page
    assert "<svg" in page


def test_sheet_and_how_to_restore_name_the_same_versions_of_borg() -> None:
    how_to = Path(appliance.__file__).parent / "exports" / "how_to_restore.py"
    assert "borg (version 1.4 or 1.2)" in how_to.read_text()
    assert "install Borg 1.4 or 1.2 " in render(SHEET)
    assert "from 1.4.5" not in render(SHEET)


def test_the_sheet_needs_nothing_from_outside() -> None:
    page = render(SHEET)
    assert not re.search(r"(src|href)=|url\(|@import|<script", page)


def test_no_name_can_smuggle_markup_into_the_sheet() -> None:
    evil = "</title><script>alert(1)</script>&\"'"
    page = render(
        Sheet(evil, evil, evil, evil, evil, evil, evil, datetime(2026, 11, 21, tzinfo=UTC))
    )
    tags: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            tags.append(tag)

    Reader().feed(page)
    assert "script" not in tags
    assert tags.count("title") == 1


@pytest.mark.slow
def test_A18_sheet_and_disk_and_stock_borg_are_enough(tmp_path: Path) -> None:
    passphrase = new_passphrase()
    repository = borg_at(tmp_path / "disk", tmp_path / "state", passphrase=lambda: passphrase)
    identity = repository.create_repository()
    data = os.urandom(100_000)
    layout = lay(tmp_path / "stage", {"manifest.json": b"{}", "export/a.bin": data})
    repository.create(day(0, layout), layout, Watch())
    page = render(
        Sheet(
            "Front office",
            "disk-a",
            identity,
            str(tmp_path / "disk"),
            passphrase,
            repository.export_key(),
            "1.4.5",
            datetime(2026, 11, 21, tzinfo=UTC),
        )
    )
    secret = html.unescape(re.search(r"<p>In one piece.*?<code>(.*?)</code>", page)[1])
    paper = html.unescape(re.search(r"<pre>(.*?)</pre>", page, re.DOTALL)[1])
    config = tmp_path / "disk" / "config"
    config.write_text(config.read_text().partition("key = ")[0])
    borg = str(Path(sys.executable).parent / "borg")
    env = {"BORG_PASSPHRASE": secret, "BORG_BASE_DIR": str(tmp_path / "clean"), "PATH": "/usr/bin"}
    lines = re.findall(r"^(id: .*|\s*\d+: .*)$", paper, re.MULTILINE)
    typed = "".join(f"{line.partition(': ')[2]}\n" for line in lines) + "\n"
    subprocess.run(
        [borg, "key", "import", "--paper", str(tmp_path / "disk")],
        env=env,
        input=typed,
        text=True,
        check=True,
        capture_output=True,
    )
    (tmp_path / "out").mkdir()
    target = f"{tmp_path / 'disk'}::{day(0, layout).name}"
    subprocess.run([borg, "extract", target], env=env, cwd=tmp_path / "out", check=True)
    assert (tmp_path / "out" / "export" / "a.bin").read_bytes() == data

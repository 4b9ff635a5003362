"""Settings are changed for the page: the file says what was wished for, and loses nothing else."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance.box import Box
from appliance.changing import editing
from appliance.config import load, parse, tables
from appliance.core.errors import ApplianceError, ConfigError, DiskFull
from appliance.core.model import Copy
from appliance.core.settable import FORGET
from appliance.worker import Engine

IMAGE = Path(__file__).parent.parent / "image"
CANARY = "canary-4711-secret"


def comments(text):
    """Every comment of a text, without what was made one."""
    found = [line.partition("#")[2].strip() for line in text.splitlines() if "#" in line]
    return [each for each in found if each]


class Room:
    """A worker's engine beside a file of its own."""

    def __init__(self, folder: Path, text: str) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.file = folder / "appliance.toml"
        self.file.write_text(text.replace("/var/lib/appliance", str(self.state)))
        self.file.chmod(0o640)
        self.box = Box(load(self.file))
        self.engine = Engine(self.box, lambda: load(self.file), None, self.file)

    def save(self, section, name, wish, stamp=None):
        stamp = stamp or self.engine.settings()["stamp"]
        return self.engine.change_settings(section, name, wish, stamp)

    def saved(self, section, name, wish):
        told = self.save(section, name, wish)
        assert told["saved"], told
        return load(self.file)

    def problems(self, section, name, wish):
        told = self.engine.preview_settings(section, name, wish)
        return {each["field"]: each["message"] for each in told["problems"]}

    def type(self, secret=CANARY):
        return self.engine.put_secret(secret)

    def everything(self):
        """All bytes of the box but those of its secrets and accounts."""
        apart = (self.state / "secrets", self.state / "clouds")
        return b"".join(
            path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file() and not any(path.is_relative_to(each) for each in apart)
        )


@pytest.fixture
def room(tmp_path):
    return Room(tmp_path, (IMAGE / "appliance.toml").read_text())


@pytest.fixture
def first(tmp_path):
    return Room(tmp_path, (IMAGE / "first.toml").read_text().replace("@TIMEZONE@", "UTC"))


SFTP = {"name": "shop", "type": "sftp", "host": "shop.example.org", "user": "box"}
WISHES = [
    ("appliance", "", {"name": 'Ada & "Sons"', "timezone": "Europe/Paris"}),
    ("retention", "", {"last": "9", "daily": "", "yearly": "70"}),
    ("disks", "", {"remind": "", "grace": "3d"}),
    ("source", "crm-nightly", {"host": "new.example.org", "pick": "*.zip\n*.tar", "newest": ""}),
    ("source", "site-export", {"hosts": "", "file_name": "x.zip", "auth.kind": "none"}),
    ("source", "by-hand", {"keep_done": "", "schedule": "every 2 h"}),
    ("source", "crm-nightly", None),
    ("source", "by-hand", None),
    ("mirror", "cloud", {"folder": "elsewhere", "bandwidth": ""}),
    ("mirror", "cloud", None),
    ("messages", "", {"weekly": "", "quiet": "21:00-06:30"}),
    ("messages", "", {"weekly": "daily at 07:00", "quiet": ""}),
    ("messages", "phone", None),
]


@pytest.mark.parametrize(("section", "name", "wish"), WISHES)
def test_every_comment_of_the_example_survives_every_change(room, section, name, wish):
    before = room.file.read_text()
    room.saved(section, name, wish)
    after = room.file.read_text()
    assert [each for each in comments(before) if each not in "\n".join(comments(after))] == []
    assert after != before
    assert room.file.stat().st_mode & 0o777 == 0o640


def test_the_first_configuration_gets_its_sections_and_keeps_its_words(first):
    before = first.file.read_text()
    first.saved("retention", "", {"daily": "60"})
    first.saved("disks", "", {"remind": "weekly on fri at 16:00"})
    settings = first.saved("appliance", "", {"name": "Our shop"})
    assert (settings.retention.daily, settings.appliance.name) == (60, "Our shop")
    assert [each for each in comments(before) if each not in first.file.read_text()] == []


def test_what_holds_anyway_is_not_written_down(first):
    text = first.file.read_text()
    told = first.save("retention", "", {"daily": "30", "last": "7"})
    assert told["changed"] == []
    assert tables(first.file.read_text()) == tables(text) | {"retention": {}}


def test_a_source_is_added_between_the_others_and_used_at_once(room):
    told = room.save("source", "shop", SFTP | {"password": room.type(), "pick": "*.zip\r\n*.csv"})
    assert (told["saved"], told["in_use"]) == (True, "now")
    added = load(room.file).source_named("shop")
    assert (added.host, added.pick, added.schedule) == (
        "shop.example.org",
        ("*.zip", "*.csv"),
        "daily at 03:00",
    )
    assert room.box.secrets.get(added.password) == CANARY
    assert room.engine.next_settings == load(room.file)
    text = room.file.read_text()
    assert text.index('"shop"') < text.index("# --- where backups go")


def test_E13_a_secret_is_never_told_again_nor_lies_anywhere_else(room, caplog):
    mark = room.type()
    wish = SFTP | {"password": mark}
    told = [
        room.engine.preview_settings("source", "shop", wish),
        room.save("source", "shop", wish),
        room.engine.settings(),
        room.engine.status(),
    ]
    room.engine.note("settings", "Source shop added.")
    assert CANARY not in repr(told) + caplog.text
    assert CANARY.encode() not in room.everything()
    (shop,) = [one for one in told[2]["sections"]["source"] if one["name"] == "shop"]
    assert shop["fields"]["password"] == "set"
    assert "page-shop" not in repr(told)
    (kept,) = [path for path in (room.state / "secrets").iterdir() if "shop" in path.name]
    assert kept.stat().st_mode & 0o777 == 0o600


def test_what_was_typed_is_kept_for_an_hour_and_not_twice(room, monkeypatch):
    mark = room.type()
    room.saved("source", "shop", SFTP | {"password": mark})
    again = "type it again"
    assert again in room.problems("source", "shop", {"password": mark})["password"]
    later = room.type()
    now = room.engine.desk.drafts._monotonic()
    monkeypatch.setattr(room.engine.desk.drafts, "_monotonic", lambda: now + 3601)
    assert again in room.problems("source", "shop", {"password": later})["password"]


@pytest.mark.parametrize("nothing", ["", "  \n", "x" * 40_000])
def test_what_cannot_be_a_secret_is_not_kept(room, nothing):
    with pytest.raises(ApplianceError, match="cannot be a secret"):
        room.engine.put_secret(nothing)


def test_a_stored_secret_is_not_sent_to_another_server_because_the_page_says_so(room):
    room.saved("source", "shop", SFTP | {"password": room.type()})
    for wish in ({"host": "evil.example.org"}, {"port": "2222"}):
        assert "shown to no other" in room.problems("source", "shop", wish)["password"]
    assert room.problems("source", "shop", {"path": "else", "host": SFTP["host"]}) == {}
    moved = {"host": "new.example.org", "password": room.type("another")}
    settings = room.saved("source", "shop", moved)
    assert room.box.secrets.get(settings.source_named("shop").password) == "another"


@pytest.mark.parametrize(
    "wish",
    [
        {"url": "https://evil.example.org/export.zip"},
        {"url": "http://crm.example.org/export.zip"},
        {"credential_hosts": "evil.example.org"},
    ],
)
def test_nor_is_a_token(room, wish):
    assert "shown to no other" in room.problems("source", "site-export", wish)["auth.token"]


def test_an_address_book_is_set_on_the_page_and_its_password_stays_with_its_servers(room):
    wish = {"name": "book", "type": "carddav", "url": "https://contacts.icloud.com/"}
    wish |= {"auth.kind": "basic", "auth.user": "ann@example.org", "auth.password": room.type()}
    settings = room.saved("source", "book", wish | {"collections": "Customers\nFriends"})
    book = settings.source_named("book")
    assert (book.collections, book.auth.user) == (("Customers", "Friends"), "ann@example.org")
    for elsewhere in ({"url": "https://evil.example/"}, {"hosts": "*.evil.example"}):
        assert "shown to no other" in room.problems("source", "book", elsewhere)["auth.password"]
    assert room.problems("source", "book", {"url": "https://contacts.icloud.com/17/"}) == {}
    login = {"auth.kind": "query", "auth.name": "key", "auth.value": room.type()}
    assert room.problems("source", "book", login)
    for wide in ("*", "*.com", "https://p1.example.org/"):
        told = room.problems("source", "book", {"hosts": wide, "auth.password": room.type()})
        assert "does not name a server" in str(told), wide


def test_another_file_on_the_same_server_needs_no_token_anew(room):
    wish = {"url": "https://crm.example.org/other.zip"}
    assert room.problems("source", "site-export", wish) == {}


def test_a_private_key_is_shown_to_nobody_and_stays_where_the_server_moves(room):
    assert room.problems("source", "crm-nightly", {"host": "new.example.org"}) == {}


def test_all_problems_stand_beside_their_fields(room):
    wish = {"port": "seventy", "schedule": "nightly", "grace": "soon", "newest": "-1"}
    found = room.problems("source", "crm-nightly", wish)
    assert set(found) == {"port", "newest"}
    found = room.problems("source", "crm-nightly", {**wish, "port": "99999", "newest": "2"})
    assert set(found) == {"port", "schedule", "grace"}
    assert "is not a schedule" in found["schedule"]
    login = {"auth.kind": "header", "auth.name": "X-Key"}
    assert set(room.problems("source", "site-export", login)) == {"auth.value"}
    before = room.file.read_text()
    assert room.save("source", "crm-nightly", wish)["saved"] is False
    assert room.file.read_text() == before


@pytest.mark.parametrize(
    ("name", "words"),
    [("crm-nightly", "of this name already"), ("CRM", "is not a name"), ("", "is not a name")],
)
def test_a_name_that_is_taken_or_none_is_refused(room, name, words):
    wish = SFTP | {"name": name, "password": room.type()}
    assert words in room.problems("source", name, wish)["name"]


def test_what_no_form_has_cannot_be_changed(room):
    wish = {"state": "/root", "staging": "/etc", "mounts": "/etc", "key_file": "/etc/shadow"}
    for section, name in (("appliance", ""), ("disks", ""), ("source", "crm-nightly")):
        assert room.engine.preview_settings(section, name, wish)["changed"] == []
    for section in ("repository", "panel", "web", "nonsense"):
        with pytest.raises(ConfigError, match="cannot be changed"):
            room.engine.preview_settings(section, "x", wish)


@pytest.mark.parametrize(
    "path", ["/etc/appliance", "/var/lib/appliance/secrets", "srv/x", "/srv/../etc", "/srv",
             "/mnt/appliance/disk-a", "/"]
)  # fmt: skip
def test_an_inbox_hands_out_nothing_but_what_lies_in_the_office_s_folders(room, path):
    wish = {"name": "drop", "type": "inbox", "path": path}
    assert "/srv" in room.problems("source", "drop", wish)["path"]


def test_an_inbox_behind_a_link_is_where_the_link_leads_to(room, tmp_path):
    inboxes = tmp_path / "inboxes"
    inboxes.mkdir()
    text = room.file.read_text().replace("/srv/inbox", str(inboxes / "one"))
    room.file.write_text(text)
    (inboxes / "link").symlink_to(room.state)
    wish = {"name": "drop", "type": "inbox", "path": str(inboxes / "link")}
    assert set(room.problems("source", "drop", wish)) == {"path"}
    assert room.problems("source", "drop", {**wish, "path": str(inboxes / "two")}) == {}


def test_the_login_to_a_web_address_is_changed_whole(room):
    wish = {"auth.kind": "basic", "auth.user": "box", "auth.password": room.type()}
    settings = room.saved("source", "site-export", wish)
    auth = settings.source_named("site-export").auth
    assert (auth.kind, auth.user) == ("basic", "box")
    assert room.box.secrets.get(auth.password) == CANARY
    wish = {"auth.kind": "basic", "auth.user": "box2", "auth.password": ""}
    again = room.saved("source", "site-export", wish).source_named("site-export").auth
    assert (again.user, again.password) == ("box2", auth.password)


def test_a_secret_that_is_needed_no_more_is_forgotten(room):
    room.saved("source", "crm-nightly", {"password": room.type(), "key": FORGET})
    wish = {"key_passphrase": FORGET}
    source = room.saved("source", "crm-nightly", wish).source_named("crm-nightly")
    assert (source.key, source.key_passphrase) == (None, None)


def test_secrets_of_the_page_go_once_nothing_names_them(room):
    old = room.saved("source", "shop", SFTP | {"password": room.type()}).source_named("shop")
    new = room.saved("source", "shop", {"password": room.type("2nd")}).source_named("shop")
    by_hand = room.box.secrets
    by_hand.put("crm_key", "by hand")
    assert by_hand.has(old.password), "a Run under way may still ask for it"
    engine = Engine(Box(load(room.file)), lambda: load(room.file), room.engine, room.file)
    assert (by_hand.has(old.password), by_hand.get(new.password)) == (False, "2nd")
    assert by_hand.has("crm_key")
    assert engine.desk is room.engine.desk


def test_two_at_once_the_second_is_told_and_loses_nothing(room):
    stamp = room.engine.settings()["stamp"]
    assert room.save("retention", "", {"daily": "60"}, stamp)["saved"]
    told = room.save("retention", "", {"weekly": "50"}, stamp)
    assert (told["saved"], "meanwhile" in told["moved"]) == (False, True)
    assert room.saved("retention", "", {"weekly": "50"}).retention.daily == 60


def test_somebody_with_an_editor_is_not_written_over(room):
    stamp = room.engine.settings()["stamp"]
    room.file.write_text(room.file.read_text() + "# a word by hand\n")
    assert not room.save("retention", "", {"daily": "60"}, stamp)["saved"]
    assert room.file.read_text().endswith("# a word by hand\n")


def test_F1_a_full_card_leaves_the_file_as_it_was_and_says_so(room, monkeypatch):
    text, real = room.file.read_text(), os.fsync

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    stamp = room.engine.settings()["stamp"]
    monkeypatch.setattr(os, "fsync", full)
    for wish in ({"daily": "60"},):
        with pytest.raises(DiskFull, match="no room left"):
            room.engine.change_settings("retention", "", wish, stamp)
    monkeypatch.setattr(os, "fsync", real)
    assert room.file.read_text() == text
    assert [each for each in room.folder.iterdir() if each.name.endswith(".new")] == []


KILLED = """
import os, signal, sys
from pathlib import Path
from appliance.changing import editing
from appliance.system import files
file, at = Path(sys.argv[1]), sys.argv[2]
real = getattr(os, at)
def die(*a, **k):
    if at == "fsync":
        real(*a, **k)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(os, at, die)
with editing.alone(file):
    text = editing.with_values(file.read_text(), "retention", "", {"daily": 60})
    editing.replace_text(file, text)
"""


@pytest.mark.parametrize("at", ["fsync", "replace", "fchown", "fchmod"])
def test_a_save_that_is_killed_leaves_the_old_file_and_the_next_one_no_scrap(room, at):
    text = room.file.read_text()
    done = subprocess.run(
        [sys.executable, "-c", KILLED, room.file, at], check=False, cwd=IMAGE.parent
    )
    assert done.returncode == -signal.SIGKILL or at == "replace"
    assert room.file.read_text() == text or load(room.file).retention.daily == 60
    assert room.saved("retention", "", {"daily": "61"}).retention.daily == 61
    assert [each for each in room.folder.iterdir() if each.name.endswith(".new")] == []


def test_a_broken_file_is_told_with_all_its_problems_and_the_last_good_one_is_shown(room):
    assert room.engine.settings()["problems"] == []
    good = room.file.read_text()
    room.file.write_text(good.replace("port = 22", "port = 70000").replace("9d", "soon").replace(
        'grace = "14d"', 'grace = "soon"'))  # fmt: skip
    room.engine.reload_if_changed()
    wanted = {"source.crm-nightly.port", "disks.grace"}
    facts = room.engine.settings()
    assert wanted <= {each["path"] for each in facts["problems"]}
    assert facts["waits"] is True
    assert {each.partition(":")[0] for each in room.engine.status()["configuration"]} >= wanted
    assert room.engine.next_settings is None
    room.file.write_text("[appliance")
    facts = room.engine.settings()
    assert "not valid TOML" in facts["problems"][0]["message"]
    assert facts["sections"]["source"][0]["name"] == "crm-nightly"
    with pytest.raises(ConfigError, match="not valid TOML"):
        room.save("retention", "", {"daily": "60"}, facts["stamp"])
    room.file.write_text(good)
    room.engine.reload_if_changed()
    assert room.engine.status()["configuration"] == []


def test_a_file_that_moves_the_box_is_refused_and_the_box_stays(room):
    room.file.write_text(room.file.read_text().replace(str(room.state), "/elsewhere", 1))
    room.engine.reload_if_changed()
    assert "works in another folder" in room.engine.status()["configuration"][0]


def test_one_mistake_by_hand_can_be_mended_on_the_page(room):
    room.file.write_text(room.file.read_text().replace('remind = "weekly', 'remind = "sometimes'))
    assert room.saved("disks", "", {"remind": "weekly on mon at 08:00"}).disks.remind


def test_a_file_written_in_a_way_of_its_own_is_left_to_its_writer(room):
    room.file.write_text(f'appliance.state = "{room.state}"\nretention.daily = 3\n')
    with pytest.raises(ConfigError, match="only a person can change"):
        room.save("retention", "", {"weekly": "9"})
    room.saved("disks", "", {"grace": "3d"})


def test_removing_a_source_is_shown_before_and_its_backups_stay(room):
    told = room.engine.preview_settings("source", "by-hand", None)
    assert (told["problems"], told["changed"]) == ([], [])
    settings = room.saved("source", "by-hand", None)
    assert "by-hand" not in [each.name for each in settings.source]
    assert '# name = "by-hand"' in room.file.read_text()
    with pytest.raises(ConfigError, match="nothing named"):
        room.save("source", "by-hand", None)


def test_what_retention_would_keep_is_played_through_with_the_backups_there_are(room):
    now = datetime.now(UTC).replace(microsecond=0)
    for days in range(400):
        time = now - timedelta(days=days)
        copy = Copy(f"crm-nightly-{days}", "crm-nightly", "disk-a", time, now)
        room.box.ledger.add_copy(copy)
    less = {"last": "3", "daily": "0", "weekly": "0", "monthly": "2", "yearly": "0"}
    source = {**tables(room.file.read_text())}
    assert source["source"][0]["retention"]["daily"] == 30, "it has rules of its own"
    (own, *_) = room.engine.preview_settings("retention", "", less)["kept"]
    assert own["today"] == 400
    assert 350 < own["go"] < 400
    assert 40 < own["in_a_year"] < 90
    (_, site, *_) = room.engine.preview_settings("retention", "", less)["kept"]
    assert (site["source"], site["today"]) == ("site-export", 0)
    assert 3 <= site["in_a_year"] < 40, "a fifth at most goes in one round"


def test_an_account_with_a_cloud_is_a_file_of_the_worker_s_own(room):
    account = f"[office]\ntype = b2\naccount = 0012\nkey = {CANARY}\n"
    wish = {"account": room.type(account), "folder": "bucket/front"}
    mirror = room.saved("mirror", "cloud", wish).mirror_named("cloud")
    assert mirror.remote == "office:bucket/front"
    assert mirror.rclone_config.parent == room.state / "clouds"
    assert mirror.rclone_config.stat().st_mode & 0o777 == 0o600
    assert mirror.rclone_config.read_text() == account
    assert mirror.rclone_config_password is None
    assert CANARY.encode() not in room.everything()
    assert CANARY not in repr(room.engine.settings())
    again = room.saved("mirror", "cloud", {"folder": "bucket/back"}).mirror_named("cloud")
    assert (again.remote, again.rclone_config) == ("office:bucket/back", mirror.rclone_config)


def test_a_new_cloud_copy_wants_an_account(room):
    wish = {"name": "second", "repository": "disk-a", "folder": "x"}
    assert "rclone config show" in room.problems("mirror", "second", wish)["account"]
    wish["account"] = room.type("[a]\ntype = sftp\nhost = h\nssh = touch /tmp/x\n")
    assert "`ssh` starts a program" in room.problems("mirror", "second", wish)["account"]


def test_without_its_file_a_worker_changes_nothing(room):
    engine = Engine(room.box)
    with pytest.raises(ApplianceError, match="without their file"):
        engine.settings()


def test_pairing_and_the_page_write_one_after_the_other(room):
    """What a disk adds and what the page changes are both there afterwards."""
    uuid = "4f0c7a7e-2c1b-4d3a-9f60-0d9a5f1c2b3e"
    editing.add_disk(room.file, "disk-b", uuid, "SN2")
    settings = room.saved("retention", "", {"daily": "61"})
    assert (settings.repository_named("disk-b").disk, settings.retention.daily) == (uuid, 61)
    assert parse(room.file.read_text())


ADDRESS = f"mailtos://box:{CANARY}@smtp.example/?to=boss@shop.example"


def test_an_address_for_messages_is_typed_stored_and_told_without_what_opens_it(room):
    told = room.save("messages", "", {"address": room.type(ADDRESS)})
    assert told["saved"], told
    assert told["changed"] == [{"field": "address", "before": "", "after": "set"}]
    names = load(room.file).messages.to
    assert names == ("mail", "phone", "page-messages-to-1")
    assert room.box.secrets.get(names[-1]) == ADDRESS
    assert room.engine.settings()["addresses"][-1] == {
        "name": "page-messages-to-1",
        "address": "mail to b…s@shop.example",
    }
    assert CANARY.encode() not in room.everything()
    assert room.engine.settings()["sections"]["messages"] == {
        "weekly": "weekly on mon at 08:00",
        "quiet": "22:00-07:00",
    }


def test_an_address_that_stands_in_the_file_itself_is_not_shown(room):
    text = room.file.read_text().replace('"${secret:mail}"', f'"{ADDRESS}"')
    assert ADDRESS in text
    room.file.write_text(text)
    told = room.engine.settings()
    assert told["addresses"][0] == {
        "name": "",
        "address": "an address that stands in the file itself",
    }
    assert CANARY not in str(told)


@pytest.mark.parametrize("section", ["[[messages]]", '[messages]\nto = "mail"'])
def test_messages_that_are_written_wrong_are_a_mistake_and_no_end(first, section):
    first.file.write_text(f"{first.file.read_text()}\n{section}\n")
    told = first.engine.settings()
    assert told["addresses"] == []
    assert told["problems"]


def test_addresses_of_one_kind_are_told_apart(room):
    for name in ("mail", "phone"):
        room.box.secrets.put(name, f"ntfys://ntfy.sh/{name}")
    seen = [each["address"] for each in room.engine.settings()["addresses"]]
    assert seen == ["ntfy to ntfy.sh (1)", "ntfy to ntfy.sh (2)"]


def test_an_address_that_is_taken_out_is_forgotten_with_its_secret(room):
    room.saved("messages", "", {"address": room.type(ADDRESS)})
    assert room.saved("messages", "page-messages-to-1", None).messages.to == ("mail", "phone")
    room.engine.desk.tidy(load(room.file))
    assert "page-messages-to-1" not in room.box.secrets.own_names()
    with pytest.raises(ConfigError, match="no such address"):
        room.save("messages", "page-messages-to-1", None)


@pytest.mark.parametrize(
    ("typed", "words"),
    [("boss@shop.example", "write it like"), ("exec://x", "no service that messages can go to")],
)
def test_what_is_no_address_is_said_beside_its_field_and_not_stored(room, typed, words):
    found = room.problems("messages", "", {"address": room.type(typed)})
    assert words in found["address"]
    assert room.box.secrets.own_names() == ()


def test_the_first_address_makes_the_section(first):
    assert first.saved("messages", "", {"address": first.type(ADDRESS)}).messages.to
    assert first.saved("messages", "", {"weekly": ""}).messages.weekly == ""
    assert first.engine.settings()["sections"]["messages"]["weekly"] == "never"
    assert first.save("messages", "", {"weekly": "", "quiet": ""})["changed"] == []

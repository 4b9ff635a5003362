"""One suite for real contacts servers: Radicale over TLS, Xandikos, DAViCal."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from appliance.core.errors import SourceRefused
from appliance.core.ports import Watch
from appliance.sources import carddav
from appliance.sources.carddav import CardDavSettings
from appliance.sources.sight import Sight
from tests.real_servers.contacts import Contacts, card, davical, radicale, xandikos

NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)
NAMES = ["plain.vcf", "a b@c.vcf", "ü+&.vcf"]


@pytest.fixture(scope="module", params=["radicale", "xandikos", "davical"])
def server(request, tmp_path_factory, ca):
    folder = tmp_path_factory.mktemp(request.param)
    started = {
        "radicale": lambda: radicale(folder, ca),
        "xandikos": lambda: xandikos(folder),
        "davical": davical,
    }
    with started[request.param]() as server:
        yield server


@pytest.fixture(scope="module")
def book(server: Contacts):
    """An address book with seven contacts and three with odd names."""
    server.make_book("customers", "Our customers")
    for number in range(7):
        server.put("customers", f"c{number:02}.vcf", card(f"c{number:02}", f"Müller {number}"))
    for number, name in enumerate(NAMES):
        server.put("customers", name, card(f"odd-{number}", "Łukasz", "NOTE:" + "ä\\, " * 60))
    return server


@contextmanager
def friends(server: Contacts):
    """Another address book, with one contact, for as long as it is wanted."""
    server.make_book("friends", "Friends")
    try:
        server.put("friends", "f.vcf", card("f", "Fred"))
        yield
    finally:
        server.delete("friends")


def settings(server, **more):
    told = {"auth": server.login, "ca_file": server.ca_file, "reserve_bytes": 0}
    return CardDavSettings("book", **{"url": server.url} | told | more)


def fetch(server, folder, seen=(), **more):
    into = folder / f"into-{len(list(folder.iterdir()))}"
    into.mkdir()
    return carddav.pull(settings(server, **more), into, NOW, seen, Watch())


def uids(export):
    return [
        line.removeprefix("UID:")
        for file in export.files
        for line in file.path.read_text().splitlines()
        if line.startswith("UID:")
    ]


EXPECTED = sorted([f"c{number:02}" for number in range(7)] + [f"odd-{n}" for n in range(3)])


def test_every_contact_comes_once_whatever_it_is_called(book, tmp_path):
    export = fetch(book, tmp_path, batch=3)
    assert [file.name for file in export.files] == ["Our customers.vcf"]
    assert sorted(uids(export)) == EXPECTED
    again = fetch(book, tmp_path)
    assert again.files[0].sha256 == export.files[0].sha256
    assert fetch(book, tmp_path, export.files) is None


def test_nothing_new_is_said_until_something_is(book, tmp_path):
    with friends(book):
        first = fetch(book, tmp_path)
        assert fetch(book, tmp_path, first.files) is None
        book.put("friends", "f.vcf", card("f", "Changed"))
        book.put("friends", "g h.vcf", card("g", "New"))
        second = fetch(book, tmp_path, first.files)
        assert "FN:Changed" in second.files[1].path.read_text()
        assert sorted(uids(second)) == sorted([*EXPECTED, "f", "g"])
        assert fetch(book, tmp_path, second.files) is None
        book.delete("friends", "g h.vcf")
        assert sorted(uids(fetch(book, tmp_path, second.files))) == sorted([*EXPECTED, "f"])


def test_the_book_is_found_from_every_address_of_the_account(book, tmp_path):
    root = book.url.removesuffix("/caldav.php/").rstrip("/")
    for path in (book.home, f"{book.home}customers/", f"{book.home}customers"):
        export = fetch(book, tmp_path, url=root + path, collections=("*custom*",))
        assert sorted(uids(export)) == EXPECTED


def test_two_books_are_two_files_and_one_of_them_can_be_meant(book, tmp_path):
    with friends(book):
        both = fetch(book, tmp_path)
        assert [file.name for file in both.files] == ["Our customers.vcf", "Friends.vcf"]
        assert uids(fetch(book, tmp_path, collections=("Friends",))) == ["f"]


def test_a_look_brings_nothing_and_tells_the_books(book):
    sight = Sight()
    carddav.look(settings(book), sight, Watch())
    told = {file["name"]: file["amount"] for file in sight.files}
    assert told["Our customers"] == "10 contacts"
    assert sight.confirmed == bool(book.ca_file)


def test_nobody_gets_in_with_another_password_or_an_unknown_certificate(book, tmp_path):
    """Xandikos asks nobody who they are; it and DAViCal are asked on this machine without TLS."""
    if book.user:
        with pytest.raises(SourceRefused, match="does not let us in"):
            fetch(book, tmp_path, auth=book.login | {"password": "another one"})
    if book.ca_file:
        with pytest.raises(SourceRefused, match="comes from an authority"):
            fetch(book, tmp_path, ca_file="")

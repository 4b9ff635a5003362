"""Address books from servers with ways of their own, and when there is nothing new."""

from __future__ import annotations

import pytest

from appliance.core.errors import SourceRefused
from appliance.sources.carddav import file_names, places
from appliance.sources.carddav.discovery import Book
from appliance.sources.carddav.settings import ELSEWHERE
from appliance.sources.origins import Reach, read
from tests.real_servers.contacts import card

from .contacts_stub import FakeContacts, people, text_of, uids
from .stub import stub

# -- the ways of servers -----------------------------------------------------------------------


def test_icloud_keeps_the_account_on_another_server_that_has_to_be_listed(bring, ca):
    fake = FakeContacts(
        home="/17/carddavhome/", principal="/17/principal/", books={"card": people(3)}
    )
    with stub(fake, ca) as at:
        fake.home_server = f"https://127.0.0.1:{at.port}"
        with pytest.raises(SourceRefused, match=r"127\.0\.0\.1.*does not list"):
            bring(at.url("/"))
        assert all(not each.headers["Host"].startswith("127") for each in at.requests)
        export = bring(at.url("/"), hosts=("127.0.0.1",))
        elsewhere = [each for each in at.requests if each.headers["Host"].startswith("127")]
        assert {each.headers["Authorization"] for each in elsewhere} == {
            at.requests[0].headers["Authorization"]
        }
    assert uids(export) == ["u0000", "u0001", "u0002"]


def test_only_apple_s_own_servers_are_listed_for_icloud():
    reach = Reach(read("https://contacts.icloud.com/"), (), ELSEWHERE["contacts.icloud.com"])
    assert reach.shows_credentials(read("https://p42-contacts.icloud.com:443/17/carddavhome/"))
    for other in (
        *("https://p42-contacts.icloud.com.evil.example/", "https://p42-contacts.icloud.example/"),
        *("https://evil.example/p1-contacts.icloud.com", "http://p42-contacts.icloud.com/"),
    ):
        assert not reach.shows_credentials(read(other))


def test_google_tells_no_kinds_and_leads_straight_to_the_one_book(bring, ca):
    home = "/carddav/v1/principals/ann@x.example/lists/"
    fake = FakeContacts(
        home=home, principal="", books={"default": people(4)}, kinds=False, types=False
    )
    fake.well_known = f"{home}default/"
    with stub(fake, ca) as at:
        export = bring(at.url("/"), auth={"kind": "bearer", "token": "ya29"})
        assert {each.headers["Authorization"] for each in at.requests} == {"Bearer ya29"}
        assert [each.command for each in at.requests][:3] == ["PROPFIND"] * 3
    assert [file.name for file in export.files] == ["default.vcf"]
    assert len(uids(export)) == 4


def test_zimbra_says_things_twice_and_writes_addresses_in_two_ways(bring, ca):
    fake = FakeContacts(
        home="/dav/ann@x.example/", books={"Contacts": people(5)}, twice=True, status_first=True
    )
    fake.encoded = False
    with stub(fake, ca) as at:
        fake.listed_as = f"https://mail.x.example:{at.port}{{}}"
        export = bring(at.url("/"), batch=2)
    assert uids(export) == [f"u{n:04}" for n in range(5)]
    assert fake.asked == [2, 2, 1]


@pytest.mark.parametrize("prefix", ["", "D", "ns0"])
def test_any_prefix_will_do(bring, ca, prefix):
    with stub(FakeContacts(books={"contacts": people(2)}, prefix=prefix), ca) as at:
        assert len(uids(bring(at.url("/")))) == 2


def test_names_with_signs_in_them_are_the_same_however_they_are_written(bring, ca):
    names = ["a b@c.vcf", "d%2Fe.vcf", "ü&<.vcf", "100%.vcf"]
    cards = {name: card(f"u{at}", "A") for at, name in enumerate(names)}
    fake = FakeContacts(books={"contacts": cards})
    with stub(fake, ca) as at:
        first = bring(at.url("/"))
        assert sorted(uids(first)) == ["u0", "u1", "u2", "u3"]


@pytest.mark.parametrize(
    "one",
    [
        *("/a/b@c/ü x.vcf", "ü x.vcf", "/a/b@c/ü x.vcf?x=https://y/z"),
        *("https://proxy/a/b%40c/%C3%BC%20x.vcf", "https://[::y/a/b@c/ü x.vcf"),
    ],
)
def test_two_ways_of_writing_are_one_place(one):
    assert places.key_of(one, read("https://x/a/b@c/")) == "/a/b%40c/%C3%BC%20x.vcf"


def test_a_slash_within_a_name_is_not_one_between_two():
    base = read("https://x/")
    assert places.key_of("/a%2Fb", base) != places.key_of("/a/b", base)


def test_books_are_found_from_any_address_of_the_account(bring, ca):
    fake = FakeContacts(books={"one": people(1), "two": people(2)}, well_known="/")
    with stub(fake, ca) as at:
        for path in ("/", "/principals/ann/", "/dav/ann/", "/somewhere/else"):
            assert [file.name for file in bring(at.url(path)).files] == ["one.vcf", "two.vcf"]
        assert [file.name for file in bring(at.url("/dav/ann/two/")).files] == ["two.vcf"]


def test_a_book_under_another_name_is_one_and_one_within_another_is_two(bring, ca):
    fake = FakeContacts(books={"one": people(2), "one/inner": people(1, 9)})

    def play(request):
        request.path = request.path.replace("/alias/", "/dav/ann/one/")
        fake(request)

    with stub(play, ca) as at:
        assert [file.name for file in bring(at.url("/alias/")).files] == ["one.vcf"]
        fake.within = {"one": "one/inner"}
        export = bring(at.url("/dav/ann/one/"))
    assert [(file.name, uids(export, n)) for n, file in enumerate(export.files)] == [
        *(("one.vcf", ["u0000", "u0001"]), ("one-inner.vcf", ["u0009"]))
    ]


def test_collections_are_meant_by_name_by_path_and_by_its_last_part(bring, ca):
    fake = FakeContacts(
        books={"one": people(1), "two": people(2)}, titles={"one": "Customers", "two": "Friends"}
    )
    with stub(fake, ca) as at:
        for glob in ("Cust*", "/dav/*/one", "one", "ONE"):
            export = bring(at.url("/"), collections=(glob,))
            assert [file.name for file in export.files] == ["Customers.vcf"]
        with pytest.raises(SourceRefused) as none:
            bring(at.url("/"), collections=("Kunden",))
    assert "Customers and Friends" in none.value.hint


def test_a_collection_that_is_not_there_is_told_and_the_others_come(bring, ca):
    fake = FakeContacts(books={"one": people(1), "two": people(2), "two/in": people(1, 8)})
    fake.within = {"two": "two/in"}
    with stub(fake, ca) as at:
        export = bring(at.url("/"), collections=("one", "Kunden*"))
        assert [file.name for file in export.files] == ["one.vcf"]
        assert export.notes == ('There is no address book called "Kunden*".',)
        assert bring(at.url("/"), collections=("two", "in")).notes == (), "it lies within"


def test_books_that_are_alike_in_all_but_their_homes_are_two_files():
    paths = ("/a/contacts/", "/b/contacts/", "/b/other/")
    books = [Book(read(f"https://x{path}"), "Contacts") for path in paths]
    assert file_names(books) == [
        *("Contacts (a-contacts).vcf", "Contacts (b-contacts).vcf", "Contacts (other).vcf")
    ]


def test_books_that_are_called_alike_are_told_apart_by_their_paths(bring, ca):
    titles = {"one": "Contacts", "two": "contacts", "three": "a/../b"}
    with stub(FakeContacts(books={name: people(1) for name in titles}, titles=titles), ca) as at:
        export = bring(at.url("/"))
    assert [file.name for file in export.files] == [
        *("Contacts (one).vcf", "a-..-b.vcf", "contacts (two).vcf")
    ]


# -- nothing new -------------------------------------------------------------------------------


def test_nothing_new_is_said_by_the_etags_of_all_cards(bring, ca):
    fake = FakeContacts(books={"contacts": people(3), "empty": {}})
    with stub(fake, ca) as at:
        first = bring(at.url("/"))
        assert bring(at.url("/"), first.files) is None
        fake.books["contacts"]["u0001.vcf"] = card("u0001", "Somebody else")
        second = bring(at.url("/"), first.files)
        assert "Somebody else" in text_of(second)
        assert bring(at.url("/"), (*second.files, *first.files)) is None
        fake.books["contacts"]["u0001.vcf"] = card("u0001", "Someone 1")
        assert bring(at.url("/"), (*second.files, *first.files)), "an older state that came back"
        fake.books["empty"] = people(1)
        assert bring(at.url("/"), first.files), "a card in another book"


def test_a_counter_that_began_anew_does_not_hide_a_change(bring, ca):
    fake = FakeContacts(books={"contacts": people(3)}, counter="7")
    with stub(fake, ca) as at:
        first = bring(at.url("/"))
        fake.books["contacts"]["u0001.vcf"] = card("u0001", "Somebody else")
        assert bring(at.url("/"), first.files) is not None


def test_baikal_gives_no_etags_so_its_counter_tells(bring, ca):
    fake = FakeContacts(books={"contacts": people(3)}, counter="7", etags=False)
    with stub(fake, ca) as at:
        first = bring(at.url("/"))
        assert bring(at.url("/"), first.files) is None
        fake.counter = "8"
        assert bring(at.url("/"), first.files) is not None


def test_where_nothing_tells_it_is_brought_each_time(bring, ca):
    with stub(FakeContacts(books={"contacts": people(3)}, etags=False), ca) as at:
        first = bring(at.url("/"))
        assert first.files[0].validator == ""
        assert bring(at.url("/"), first.files) is not None


def test_what_changes_while_we_look_is_looked_at_again(bring, ca):
    fake = FakeContacts(books={"contacts": people(3)})

    def play(request):
        if request.command == "REPORT":
            fake.books["contacts"]["u0001.vcf"] = card("u0001", "Changed meanwhile")
        fake(request)

    with stub(play, ca) as at:
        first = bring(at.url("/"))
        assert "Changed meanwhile" in text_of(first)
        assert first.files[0].validator == ""

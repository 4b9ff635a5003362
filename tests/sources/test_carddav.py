"""Address books from servers with ways of their own, and from such as lie."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from appliance.core.errors import Cancelled, ExportUnsafe, SourceRefused, SourceUnreachable
from appliance.core.model import Export
from appliance.core.ports import Watch
from appliance.sources import carddav
from appliance.sources.carddav import CardDavSettings, fetching, multistatus, places, server
from appliance.sources.carddav.cards import Listed, is_whole, stored
from appliance.sources.carddav.settings import ELSEWHERE
from appliance.sources.origins import Reach, read
from appliance.sources.sight import Sight
from tests.contacts_servers import card

from .contacts_stub import FakeContacts
from .stub import stub

NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)
BASIC = {"kind": "basic", "user": "ann@x.example", "password": "only for a test"}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(fetching, "_PAUSE", timedelta(milliseconds=1))


@pytest.fixture
def fetch(tmp_path, ca):
    """Pull into a fresh folder; the keywords are CardDavSettings."""
    count = iter(range(1000))

    def fetch(url, seen=(), watch=None, **settings) -> Export | None:
        into = tmp_path / f"into-{next(count)}"
        into.mkdir()
        told = {"auth": BASIC, "reserve_bytes": 0, "ca_file": str(ca.certificate)} | settings
        return carddav.pull(CardDavSettings("book", url, **told), into, NOW, seen, watch or Watch())

    return fetch


def people(count, start=0):
    return {f"u{n:04}.vcf": card(f"u{n:04}", f"Someone {n}") for n in range(start, start + count)}


def text_of(export, at=0):
    return export.files[at].path.read_bytes().decode()


def uids(export, at=0):
    lines = text_of(export, at).splitlines()
    return [line.removeprefix("UID:") for line in lines if line.startswith("UID:")]


# -- the ways of servers -----------------------------------------------------------------------


def test_icloud_keeps_the_account_on_another_server_that_has_to_be_listed(fetch, ca):
    fake = FakeContacts(
        home="/17/carddavhome/", principal="/17/principal/", books={"card": people(3)}
    )
    with stub(fake, ca) as at:
        fake.home_server = f"https://127.0.0.1:{at.port}"
        with pytest.raises(SourceRefused, match=r"127\.0\.0\.1.*does not list"):
            fetch(at.url("/"))
        assert all(not each.headers["Host"].startswith("127") for each in at.requests)
        export = fetch(at.url("/"), hosts=("127.0.0.1",))
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


def test_google_tells_no_kinds_and_leads_straight_to_the_one_book(fetch, ca):
    home = "/carddav/v1/principals/ann@x.example/lists/"
    fake = FakeContacts(
        home=home, principal="", books={"default": people(4)}, kinds=False, types=False
    )
    fake.well_known = f"{home}default/"
    with stub(fake, ca) as at:
        export = fetch(at.url("/"), auth={"kind": "bearer", "token": "ya29"})
        assert {each.headers["Authorization"] for each in at.requests} == {"Bearer ya29"}
        assert [each.command for each in at.requests][:3] == ["PROPFIND"] * 3
    assert [file.name for file in export.files] == ["default.vcf"]
    assert len(uids(export)) == 4


def test_zimbra_says_things_twice_and_writes_addresses_in_two_ways(fetch, ca):
    fake = FakeContacts(
        home="/dav/ann@x.example/", books={"Contacts": people(5)}, twice=True, status_first=True
    )
    fake.encoded = False
    with stub(fake, ca) as at:
        fake.listed_as = f"https://mail.x.example:{at.port}{{}}"
        export = fetch(at.url("/"), batch=2)
    assert uids(export) == [f"u{n:04}" for n in range(5)]
    assert fake.asked == [2, 2, 1]


@pytest.mark.parametrize("prefix", ["", "D", "ns0"])
def test_any_prefix_will_do(fetch, ca, prefix):
    with stub(FakeContacts(books={"contacts": people(2)}, prefix=prefix), ca) as at:
        assert len(uids(fetch(at.url("/")))) == 2


def test_names_with_signs_in_them_are_the_same_however_they_are_written(fetch, ca):
    names = ["a b@c.vcf", "d%2Fe.vcf", "ü&<.vcf", "100%.vcf"]
    cards = {name: card(f"u{at}", "A") for at, name in enumerate(names)}
    fake = FakeContacts(books={"contacts": cards})
    with stub(fake, ca) as at:
        first = fetch(at.url("/"))
        assert sorted(uids(first)) == ["u0", "u1", "u2", "u3"]


@pytest.mark.parametrize(
    "one", ["/a/b@c/ü x.vcf", "https://proxy/a/b%40c/%C3%BC%20x.vcf", "ü x.vcf"]
)
def test_two_ways_of_writing_are_one_place(one):
    assert places.key_of(one, read("https://x/a/b@c/")) == "/a/b%40c/%C3%BC%20x.vcf"


def test_a_slash_within_a_name_is_not_one_between_two():
    base = read("https://x/")
    assert places.key_of("/a%2Fb", base) != places.key_of("/a/b", base)


def test_books_are_found_from_any_address_of_the_account(fetch, ca):
    fake = FakeContacts(books={"one": people(1), "two": people(2)}, well_known="/")
    with stub(fake, ca) as at:
        for path in ("/", "/principals/ann/", "/dav/ann/", "/somewhere/else"):
            assert [file.name for file in fetch(at.url(path)).files] == ["one.vcf", "two.vcf"]
        assert [file.name for file in fetch(at.url("/dav/ann/two/")).files] == ["two.vcf"]


def test_collections_are_meant_by_name_by_path_and_by_its_last_part(fetch, ca):
    fake = FakeContacts(
        books={"one": people(1), "two": people(2)}, titles={"one": "Customers", "two": "Friends"}
    )
    with stub(fake, ca) as at:
        for glob in ("Cust*", "/dav/*/one", "one", "ONE"):
            export = fetch(at.url("/"), collections=(glob,))
            assert [file.name for file in export.files] == ["Customers.vcf"]
        with pytest.raises(SourceRefused) as none:
            fetch(at.url("/"), collections=("Kunden",))
    assert "Customers and Friends" in none.value.hint


def test_books_that_are_called_alike_are_told_apart_by_their_paths(fetch, ca):
    titles = {"one": "Contacts", "two": "contacts", "three": "a/../b"}
    with stub(FakeContacts(books={name: people(1) for name in titles}, titles=titles), ca) as at:
        export = fetch(at.url("/"))
    assert [file.name for file in export.files] == [
        *("Contacts (one).vcf", "a-..-b.vcf", "contacts (two).vcf")
    ]


# -- nothing new -------------------------------------------------------------------------------


def test_nothing_new_is_said_by_the_etags_of_all_cards(fetch, ca):
    fake = FakeContacts(books={"contacts": people(3), "empty": {}})
    with stub(fake, ca) as at:
        first = fetch(at.url("/"))
        assert fetch(at.url("/"), first.files) is None
        fake.books["contacts"]["u0001.vcf"] = card("u0001", "Somebody else")
        second = fetch(at.url("/"), first.files)
        assert "Somebody else" in text_of(second)
        assert fetch(at.url("/"), (*second.files, *first.files)) is None
        fake.books["contacts"]["u0001.vcf"] = card("u0001", "Someone 1")
        assert fetch(at.url("/"), (*second.files, *first.files)), "an older state that came back"
        fake.books["empty"] = people(1)
        assert fetch(at.url("/"), first.files), "a card in another book"


def test_a_counter_that_began_anew_does_not_hide_a_change(fetch, ca):
    fake = FakeContacts(books={"contacts": people(3)}, counter="7")
    with stub(fake, ca) as at:
        first = fetch(at.url("/"))
        fake.books["contacts"]["u0001.vcf"] = card("u0001", "Somebody else")
        assert fetch(at.url("/"), first.files) is not None


def test_baikal_gives_no_etags_so_its_counter_tells(fetch, ca):
    fake = FakeContacts(books={"contacts": people(3)}, counter="7", etags=False)
    with stub(fake, ca) as at:
        first = fetch(at.url("/"))
        assert fetch(at.url("/"), first.files) is None
        fake.counter = "8"
        assert fetch(at.url("/"), first.files) is not None


def test_where_nothing_tells_it_is_brought_each_time(fetch, ca):
    with stub(FakeContacts(books={"contacts": people(3)}, etags=False), ca) as at:
        first = fetch(at.url("/"))
        assert first.files[0].validator == ""
        assert fetch(at.url("/"), first.files) is not None


def test_what_changes_while_we_look_is_looked_at_again(fetch, ca):
    fake = FakeContacts(books={"contacts": people(3)})

    def play(request):
        if request.command == "REPORT":
            fake.books["contacts"]["u0001.vcf"] = card("u0001", "Changed meanwhile")
        fake(request)

    with stub(play, ca) as at:
        first = fetch(at.url("/"))
        assert "Changed meanwhile" in text_of(first)
        assert first.files[0].validator == ""


# -- no card is lost without a word ------------------------------------------------------------


def test_what_a_batch_leaves_out_is_asked_for_by_itself(fetch, ca):
    fake = FakeContacts(books={"contacts": people(5)}, left_out={"u0001.vcf", "u0004.vcf"})
    with stub(fake, ca) as at:
        export = fetch(at.url("/"))
    assert uids(export) == [f"u{n:04}" for n in range(5)]
    assert export.files[0].validator


@pytest.mark.parametrize("status", [400, 403, 501])
def test_a_server_without_batches_gives_its_cards_one_by_one(fetch, ca, status):
    with stub(FakeContacts(books={"contacts": people(3)}, multiget=status), ca) as at:
        assert len(uids(fetch(at.url("/")))) == 3


def test_a_card_that_vanishes_while_we_look_is_passed_over(fetch, ca):
    fake = FakeContacts(books={"contacts": people(3)})

    def play(request):
        if request.command == "REPORT":
            fake.books["contacts"].pop("u0001.vcf", None)
        fake(request)

    with stub(play, ca) as at:
        export = fetch(at.url("/"))
    assert uids(export) == ["u0000", "u0002"]
    assert export.files[0].validator == ""


def test_a_card_that_is_listed_and_never_found_is_refused(fetch, ca):
    fake = FakeContacts(books={"contacts": people(3)}, gone={"u0001.vcf"})
    with stub(fake, ca) as at, pytest.raises(ExportUnsafe, match="does not give whole") as lost:
        fetch(at.url("/"))
    assert lost.value.detail.startswith("u0001.vcf: ")


def test_a_listing_that_says_it_is_cut_is_refused(fetch, ca):
    fake = FakeContacts(books={"contacts": people(3)}, truncated=True)
    with stub(fake, ca) as at, pytest.raises(ExportUnsafe, match="only a part"):
        fetch(at.url("/"))


@pytest.mark.parametrize(
    "cut",
    [card("u1", "A")[:-14], "", "<html>sign in</html>", "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"],
)
def test_what_is_no_whole_card_is_refused(fetch, ca, cut):
    fake = FakeContacts(books={"contacts": people(2) | {"x.vcf": cut}})
    with stub(fake, ca) as at, pytest.raises(ExportUnsafe, match="does not give whole"):
        fetch(at.url("/"))


def test_one_card_that_spoils_the_xml_does_not_keep_the_others_from_us(fetch, ca):
    fake = FakeContacts(books={"contacts": people(20)}, raw={"u0007.vcf": b"&nothing; <"})
    with stub(fake, ca) as at:
        assert len(uids(fetch(at.url("/"), batch=20))) == 20
    assert len(fake.asked) < 12


def test_control_characters_that_xml_forbids_are_left_out(fetch, ca):
    raw = b"BEGIN:VCARD\nVERSION:3.0\nUID:u0000\nFN:A\x0b\x08B\nEND:VCARD\n"
    with stub(FakeContacts(books={"contacts": people(1)}, raw={"u0000.vcf": raw}), ca) as at:
        assert "FN:AB\n" in text_of(fetch(at.url("/")))


def test_a_batch_that_is_too_much_comes_in_smaller_ones(fetch, ca, monkeypatch):
    monkeypatch.setattr(server, "MOST_AT_ONCE", 20_000)
    photos = {f"p{n}.vcf": card(f"p{n}", "A", "PHOTO:" + "x" * 9000) for n in range(8)}
    fake = FakeContacts(books={"contacts": photos})
    with stub(fake, ca) as at:
        assert len(uids(fetch(at.url("/")))) == 8
        fake.books["contacts"]["p9.vcf"] = card("p9", "A", "PHOTO:" + "x" * 30_000)
        with pytest.raises(ExportUnsafe, match="does not give whole"):
            fetch(at.url("/"))


def test_a_connection_that_breaks_off_is_asked_again(fetch, ca):
    fake, broken = FakeContacts(books={"contacts": people(4)}), []

    def play(request):
        if request.command == "REPORT" and len(broken) < 2:
            broken.append(request)
            request.send_response(207)
            request.send_header("Content-Length", "9999")
            request.end_headers()
            request.wfile.write(b"<multistatus ")
        else:
            fake(request)

    with stub(play, ca) as at:
        assert len(uids(fetch(at.url("/")))) == 4


def test_an_empty_account_is_no_export(fetch, ca):
    with (
        stub(FakeContacts(books={"contacts": {}}), ca) as at,
        pytest.raises(ExportUnsafe, match="There is no contact"),
    ):
        fetch(at.url("/"))


def test_three_thousand_cards_come_in_the_order_of_their_names(fetch, ca):
    cards = people(3_000)
    shuffled = dict(sorted(cards.items(), key=lambda each: hash(each[0])))
    with stub(FakeContacts(books={"contacts": shuffled}), ca) as at:
        export = fetch(at.url("/"), batch=500)
    assert uids(export) == [f"u{n:04}" for n in sorted(range(3_000), key=lambda n: f"u{n:04}.vcf")]


# -- servers that lie --------------------------------------------------------------------------

_LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
_FILE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>'


@pytest.mark.parametrize("body", [
    b"", b"<html/>", b"not xml", b'<multistatus xmlns="DAV:">',
    f'{_LAUGHS}<multistatus xmlns="DAV:">&b;</multistatus>'.encode(),
    f'{_FILE}<multistatus xmlns="DAV:">&a;</multistatus>'.encode(),
    b'<multistatus xmlns="DAV:">' + b"<a>" * 5000 + b"</a>" * 5000 + b"</multistatus>",
    b'<?xml version="1.0" encoding="nonsense"?><multistatus xmlns="DAV:"/>',
])  # fmt: skip
def test_what_is_no_answer_is_told_and_nothing_else_happens(fetch, ca, body):
    with (
        stub(lambda request: request.answer(207, body), ca) as at,
        pytest.raises(SourceUnreachable, match="cannot be read as an address book"),
    ):
        fetch(at.url("/"))


def test_an_endless_listing_ends(fetch, ca, monkeypatch):
    monkeypatch.setattr(server, "MOST_OF_A_LISTING", 100_000)
    item = b"<response><href>/x</href></response>" * 10_000
    body = b'<multistatus xmlns="DAV:">' + item + b"</multistatus>"
    with (
        stub(lambda request: request.answer(207, body), ca) as at,
        pytest.raises(SourceUnreachable, match="cannot be read"),
    ):
        fetch(at.url("/"))


@pytest.mark.parametrize("status", [200, 404, 405])
def test_a_server_that_is_none_of_these_is_told(fetch, ca, status):
    with (
        stub(lambda request: request.answer(status, b"<html>hello</html>"), ca) as at,
        pytest.raises(SourceRefused, match="There is no address book at this address"),
    ):
        fetch(at.url("/"))


def test_a_wrong_login_is_told(fetch, ca):
    with (
        stub(lambda request: request.answer(401), ca) as at,
        pytest.raises(SourceRefused, match="does not let us in") as refused,
    ):
        fetch(at.url("/"))
    assert BASIC["password"] not in f"{refused.value} {refused.value.hint} {refused.value.detail}"


def test_a_card_on_a_foreign_server_is_not_asked_for_there(fetch, ca):
    fake = FakeContacts(books={"contacts": people(2)}, left_out={"u0001.vcf"})
    with stub(fake, ca) as at:
        fake.listed_as = "https://127.0.0.1:1{}"
        with pytest.raises(SourceRefused, match="does not list"):
            fetch(at.url("/"))


def test_an_address_book_is_never_asked_for_unprotected(fetch, ca):
    fake = FakeContacts(home_server="http://localhost")
    with stub(fake, ca) as at, pytest.raises(SourceRefused, match="not protected"):
        fetch(at.url("/"))


def test_who_asks_us_to_stop_is_heard_between_batches(fetch, ca):
    watch = Watch()
    fake = FakeContacts(books={"contacts": people(50)})

    def play(request):
        if request.command == "REPORT" and len(fake.asked) == 3:
            watch.cancel.set()
        fake(request)

    with stub(play, ca) as at, pytest.raises(Cancelled):
        fetch(at.url("/"), batch=5, watch=watch)
    assert len(fake.asked) <= 5


# -- cards -------------------------------------------------------------------------------------


def listed(name="x%40y.vcf"):
    return Listed(f"/a/{name}", f"/a/{name}", "")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("uid", ["UID:a", "uid;X=y:a", "item1.UID:urn:uuid:a"])
def test_a_card_is_stored_as_it_came(end, uid):
    text = end.join(["BEGIN:VCARD", "VERSION:3.0", "FN:A", uid, "END:VCARD", ""]).encode()
    assert stored(text, listed()) == text
    assert stored(text.rstrip(), listed()) == text


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("version", [["VERSION:4.0"], []])
def test_one_without_a_uid_is_known_by_its_address(end, version):
    rest = ["FN:A", "NOTE:UID:none", "END:VCARD", ""]
    text = end.join(["BEGIN:VCARD", *version, *rest]).encode()
    known = end.join(["BEGIN:VCARD", *version, "UID:x%40y.vcf", *rest]).encode()
    assert stored(text, listed()) == known


def test_what_stands_before_a_card_is_no_part_of_it():
    assert stored(b"\xef\xbb\xbf\n" + card("u", "A").encode(), listed()) == card("u", "A").encode()
    assert is_whole(b"\xef\xbb\xbf" + card("u", "A").encode())


def test_an_answer_is_read_in_whatever_pieces_it_comes():
    body = (
        b'<?xml version="1.0"?><multistatus xmlns="DAV:"><response><href> /a </href><propstat>'
        b"<prop><getetag>&quot;1&quot;</getetag><displayname><![CDATA[a<b]]></displayname></prop>"
        b"</propstat><propstat><prop><resourcetype/></prop><status>HTTP/1.1 404 no</status>"
        b"</propstat></response></multistatus>"
    )
    for size in (1, 7, 1000):
        pieces = [body[at : at + size] for at in range(0, len(body), size)]
        (item,) = multistatus.items(pieces, 10_000)
        assert (item.href, item.texts) == (
            "/a",
            {multistatus.ETAG: '"1"', multistatus.NAME: "a<b"},
        )
        assert item.refused == {multistatus.RESOURCE_TYPE: 404}


def test_a_look_tells_which_books_there_are(ca):
    fake = FakeContacts(books={"one": people(1), "two": people(12)})
    sight = Sight()
    with stub(fake, ca) as at:
        told = partial(CardDavSettings, "book", auth=BASIC, ca_file=str(ca.certificate))
        carddav.look(told(url=at.url("/")), sight, Watch())
        assert not [each for each in at.requests if each.command != "PROPFIND"]
    assert sight.confirmed
    assert [(file["name"], file["amount"]) for file in sight.files] == [
        *(("one", "1 contact"), ("two", "12 contacts"))
    ]

"""No card is lost without a word, and servers that lie do no harm."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appliance.core.errors import Cancelled, ExportUnsafe, SourceRefused, SourceUnreachable
from appliance.core.ports import Watch
from appliance.sources import carddav
from appliance.sources.carddav import CardDavSettings, listing, multistatus, places, server
from appliance.sources.carddav.cards import Listed, is_whole, stored
from appliance.sources.origins import read
from appliance.sources.sight import Sight
from tests.real_servers.contacts import card

from .contacts_stub import BASIC, FakeContacts, people, text_of, uids
from .stub import stub

# -- no card is lost without a word ------------------------------------------------------------


def test_what_a_batch_leaves_out_is_asked_for_by_itself(bring, ca):
    fake = FakeContacts(books={"contacts": people(5)}, left_out={"u0001.vcf", "u0004.vcf"})
    with stub(fake, ca) as at:
        export = bring(at.url("/"))
    assert uids(export) == [f"u{n:04}" for n in range(5)]
    assert export.files[0].validator


@pytest.mark.parametrize("status", [400, 403, 500, 501])
def test_a_server_without_batches_gives_its_cards_one_by_one(bring, ca, status):
    with stub(FakeContacts(books={"contacts": people(3)}, multiget=status), ca) as at:
        assert len(uids(bring(at.url("/")))) == 3


def test_a_card_that_vanishes_while_we_look_is_passed_over(bring, ca):
    fake = FakeContacts(books={"contacts": people(3)})

    def play(request):
        if request.command == "REPORT":
            fake.books["contacts"].pop("u0001.vcf", None)
        fake(request)

    with stub(play, ca) as at:
        export = bring(at.url("/"))
    assert uids(export) == ["u0000", "u0002"]
    assert export.notes == ("1 contact of contacts went while we looked; all others came.",)
    assert export.files[0].validator == ""


def test_a_card_that_is_listed_and_never_found_is_refused(bring, ca):
    fake = FakeContacts(books={"contacts": people(3)}, gone={"u0001.vcf"})
    with stub(fake, ca) as at, pytest.raises(ExportUnsafe, match="does not give whole") as lost:
        bring(at.url("/"))
    assert lost.value.detail.startswith("u0001.vcf: ")


def test_a_listing_that_says_it_is_cut_is_refused(bring, ca):
    fake = FakeContacts(books={"contacts": people(3)}, truncated=True)
    with stub(fake, ca) as at, pytest.raises(ExportUnsafe, match="only a part"):
        bring(at.url("/"))


@pytest.mark.parametrize(
    "cut",
    [card("u1", "A")[:-14], "", "<html>sign in</html>", "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"],
)
def test_what_is_no_whole_card_is_refused(bring, ca, cut):
    fake = FakeContacts(books={"contacts": people(2) | {"x.vcf": cut}})
    with stub(fake, ca) as at, pytest.raises(ExportUnsafe, match="does not give whole"):
        bring(at.url("/"))


def test_one_card_that_spoils_the_xml_does_not_keep_the_others_from_us(bring, ca):
    fake = FakeContacts(books={"contacts": people(20)}, raw={"u0007.vcf": b"&nothing; <"})
    with stub(fake, ca) as at:
        assert len(uids(bring(at.url("/"), batch=20))) == 20
    assert len(fake.asked) < 12


def test_control_characters_that_xml_forbids_are_left_out(bring, ca):
    raw = b"BEGIN:VCARD\nVERSION:3.0\nUID:u0000\nFN:A\x0b\x08B\nEND:VCARD\n"
    with stub(FakeContacts(books={"contacts": people(1)}, raw={"u0000.vcf": raw}), ca) as at:
        assert "FN:AB\n" in text_of(bring(at.url("/")))


def test_a_batch_that_is_too_much_comes_in_smaller_ones(bring, ca, monkeypatch):
    monkeypatch.setattr(server, "MOST_AT_ONCE", 20_000)
    photos = {f"p{n}.vcf": card(f"p{n}", "A", "PHOTO:" + "x" * 9000) for n in range(8)}
    fake = FakeContacts(books={"contacts": photos})
    with stub(fake, ca) as at:
        assert len(uids(bring(at.url("/")))) == 8
        fake.books["contacts"]["p9.vcf"] = card("p9", "A", "PHOTO:" + "x" * 30_000)
        with pytest.raises(ExportUnsafe, match="does not give whole"):
            bring(at.url("/"))


def test_a_connection_that_breaks_off_is_asked_again(bring, ca):
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
        assert len(uids(bring(at.url("/")))) == 4


def test_an_empty_account_is_no_export(bring, ca):
    with (
        stub(FakeContacts(books={"contacts": {}}), ca) as at,
        pytest.raises(ExportUnsafe, match="There is no contact"),
    ):
        bring(at.url("/"))


def test_three_thousand_cards_come_in_the_order_of_their_names(bring, ca):
    cards = people(3_000)
    shuffled = dict(sorted(cards.items(), key=lambda each: hash(each[0])))
    with stub(FakeContacts(books={"contacts": shuffled}), ca) as at:
        export = bring(at.url("/"), batch=500)
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
def test_what_is_no_answer_is_told_and_nothing_else_happens(bring, ca, body):
    with (
        stub(lambda request: request.answer(207, body), ca) as at,
        pytest.raises(SourceUnreachable, match="cannot be read as an address book"),
    ):
        bring(at.url("/"))


@pytest.mark.parametrize("part", [
    "<response><propstat><prop><displayname>" + "x" * 1_100_000 + "</displayname></prop></propstat>"
    "</response>",
    "<response><href>/x</href><propstat><prop><resourcetype>" + "<a/>" * 2000 + "</resourcetype>"
    "</prop></propstat></response>",
], ids=["a name without end", "kinds without end"])  # fmt: skip
def test_what_is_said_of_one_address_is_bounded(bring, ca, part):
    body = f'<multistatus xmlns="DAV:">{part}</multistatus>'.encode()
    with (
        stub(lambda request: request.answer(207, body), ca) as at,
        pytest.raises(SourceUnreachable, match="cannot be read"),
    ):
        bring(at.url("/"))


def test_more_cards_than_an_office_has_are_refused(bring, ca, monkeypatch):
    monkeypatch.setattr(listing, "MOST_CARDS", 5)
    with (
        stub(FakeContacts(books={"contacts": people(6)}), ca) as at,
        pytest.raises(ExportUnsafe, match="more than an office can have"),
    ):
        bring(at.url("/"))


def test_a_server_that_drips_looks_silent(bring, ca):
    """Who is silent for minutes is given up by the parent; each byte must be no sign of life."""
    signs = []

    def play(request):
        request.send_response(207)
        request.end_headers()
        for letter in b'<multistatus xmlns="DAV:">' + b" " * 300:
            request.wfile.write(bytes([letter]))

    watch = Watch(signs.append)
    with stub(play, ca) as at, pytest.raises(SourceUnreachable):
        bring(at.url("/"), watch=watch)
    assert signs == []


def test_an_endless_listing_ends(bring, ca, monkeypatch):
    monkeypatch.setattr(server, "MOST_OF_A_LISTING", 100_000)
    item = b"<response><href>/x</href></response>" * 10_000
    body = b'<multistatus xmlns="DAV:">' + item + b"</multistatus>"
    with (
        stub(lambda request: request.answer(207, body), ca) as at,
        pytest.raises(SourceUnreachable, match="cannot be read"),
    ):
        bring(at.url("/"))


def test_a_server_that_breaks_down_is_asked_at_its_other_address_and_later_again(bring, ca):
    fake = FakeContacts(books={"contacts": people(2)}, well_known="/principals/ann/")

    def play(request):
        request.answer(500) if request.path == "/" else fake(request)

    with stub(play, ca) as at:
        assert len(uids(bring(at.url("/")))) == 2
        fake.well_known = ""
        with pytest.raises(SourceUnreachable, match="a fault of its own"):
            bring(at.url("/"))


_HOMES = (
    '<D:multistatus xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav"><D:response>'
    "<D:href>/</D:href><D:propstat><D:prop><C:addressbook-home-set><D:href>/dav/ann/</D:href>"
    "<D:href>/dav/all/</D:href></C:addressbook-home-set></D:prop></D:propstat></D:response>"
    "</D:multistatus>"
)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(500, SourceUnreachable), (503, SourceUnreachable), (403, SourceRefused), (404, None)],
)
def test_address_books_of_one_home_are_not_all_where_another_home_does_not_say(
    bring, ca, status, kind
):
    fake = FakeContacts(books={"contacts": people(2)})

    def play(request):
        if request.path == "/":
            request.answer(207, _HOMES.encode())
        elif request.path == "/dav/all/":
            request.answer(status)
        else:
            fake(request)

    with stub(play, ca) as at:
        if kind is None:
            assert len(uids(bring(at.url("/")))) == 2, "nothing is there"
        else:
            with pytest.raises(kind):
                bring(at.url("/"))


def test_an_address_book_that_a_listing_stumbles_over_is_not_left_out(bring, ca):
    fake = FakeContacts(books={"contacts": people(2), "two": people(1)})
    broken = "<D:response><D:href>/dav/ann/two/</D:href><D:status>HTTP/1.1 500 no</D:status>"
    whole = fake._told_book
    fake._told_book = lambda name: broken + "</D:response>" if name == "two" else whole(name)
    with stub(fake, ca) as at, pytest.raises(SourceUnreachable, match="a fault of its own"):
        bring(at.url("/"))


def test_a_principal_that_a_server_breaks_down_over_is_asked_again_later(bring, ca):
    fake = FakeContacts(books={"contacts": people(2)})

    def play(request):
        request.answer(500) if request.path == fake.principal else fake(request)

    with stub(play, ca) as at, pytest.raises(SourceUnreachable, match="a fault of its own"):
        bring(at.url("/"))


@pytest.mark.parametrize("status", [200, 404, 405])
def test_a_server_that_is_none_of_these_is_told(bring, ca, status):
    with (
        stub(lambda request: request.answer(status, b"<html>hello</html>"), ca) as at,
        pytest.raises(SourceRefused, match="There is no address book at this address"),
    ):
        bring(at.url("/"))


def test_a_wrong_login_is_told(bring, ca):
    with (
        stub(lambda request: request.answer(401), ca) as at,
        pytest.raises(SourceRefused, match="does not let us in") as refused,
    ):
        bring(at.url("/"))
    assert BASIC["password"] not in f"{refused.value} {refused.value.hint} {refused.value.detail}"


def test_a_card_on_a_foreign_server_is_not_asked_for_there(bring, ca):
    fake = FakeContacts(books={"contacts": people(2)}, left_out={"u0001.vcf"})
    with stub(fake, ca) as at:
        fake.listed_as = "https://127.0.0.1:1{}"
        with pytest.raises(SourceRefused, match="does not list"):
            bring(at.url("/"))


def test_an_address_book_is_never_asked_for_unprotected(bring, ca):
    fake = FakeContacts(home_server="http://localhost")
    with stub(fake, ca) as at, pytest.raises(SourceRefused, match="not protected"):
        bring(at.url("/"))


def test_who_asks_us_to_stop_is_heard_between_batches(bring, ca):
    watch = Watch()
    fake = FakeContacts(books={"contacts": people(50)})

    def play(request):
        if request.command == "REPORT" and len(fake.asked) == 3:
            watch.cancel.set()
        fake(request)

    with stub(play, ca) as at, pytest.raises(Cancelled):
        bring(at.url("/"), batch=5, watch=watch)
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


def test_no_connection_stays_open_however_often_a_server_is_asked(bring, ca, monkeypatch):
    """Most servers keep a connection for the next request; a thousand of them are too many."""
    most = []
    fake = FakeContacts(books={"contacts": people(120)})

    def play(request):
        request.close_connection = False
        most.append(len(list(Path("/proc/self/fd").iterdir())))
        fake(request)

    with stub(play, ca) as at:
        assert len(uids(bring(at.url("/"), batch=2))) == 120
    assert max(most) - most[0] < 20


@pytest.mark.parametrize("opening", [b'<a b="', b"<!--", b"<a"])
def test_a_tag_without_end_is_not_waited_for(opening):
    fed = []

    def pieces():
        yield b'<multistatus xmlns="DAV:">' + opening
        for _ in range(200):
            fed.append(1)
            yield b"x" * (1 << 18)

    with pytest.raises(multistatus.Unreadable):
        list(multistatus.items(pieces(), 1 << 28))
    assert len(fed) < 8


def test_a_photo_of_many_pieces_is_read(bring, ca):
    photo = card("p", "A", "PHOTO:" + "x" * 9_000_000)
    with stub(FakeContacts(books={"contacts": {"p.vcf": photo}}), ca) as at:
        assert bring(at.url("/")).files[0].size_bytes > 9_000_000


_ANSWER = (
    b'<?xml version="1.0"?><D:multistatus xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav">'
    b"<D:response><D:href>/a/b.vcf</D:href><D:propstat><D:prop><D:getetag>1</D:getetag>"
    b"<C:address-data>BEGIN:VCARD&#13;\nEND:VCARD</C:address-data></D:prop>"
    b"<D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response></D:multistatus>"
)


@given(st.integers(0, len(_ANSWER)), st.integers(0, 60), st.binary(max_size=30))
@example(0, 0, b"\xff\xfe")
@example(0, len(_ANSWER), b"<a/>")
@example(_ANSWER.index(b"/a/b"), 5, b"https://[::x/a")
def test_whatever_an_answer_says_it_is_read_or_refused(at, less, more):
    body = _ANSWER[:at] + more + _ANSWER[at + less :]
    try:
        for item in multistatus.items([body[:50], body[50:]], 10_000):
            assert is_whole(item.texts.get(multistatus.CARD, "").encode()) in (True, False)
            places.key_of(item.href, read("https://x/"))
    except (multistatus.Unreadable, SourceRefused):
        pass

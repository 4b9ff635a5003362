"""Files with links in an inbox: read, fetched, told of, and never a word of the link itself."""

from __future__ import annotations

import base64
import io
import json
import plistlib
import random
import time
import zipfile
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest

from appliance.core.errors import (
    ApplianceError,
    ExportUnsafe,
    LinkDead,
    SourceRefused,
    SourceUnreachable,
)
from appliance.core.ports import Watch
from appliance.demo.authority import Authority
from appliance.sources import inbox, receiving
from appliance.sources.inbox import InboxSettings
from appliance.sources.links import files, held

from .stub import stub

AT = datetime(2026, 11, 21, 3, tzinfo=UTC)
CSV = b"Record Id,Name\r\n1,Ana\r\n2,Bo\r\n"
SECRET = "X-Amz-Signature=0123456789abcdef0123456789"
_ZIP = io.BytesIO()
with zipfile.ZipFile(_ZIP, "w") as _archive:
    _archive.writestr("Contacts_001.csv", CSV)
ZIP = _ZIP.getvalue()


def shortcut(link: str) -> bytes:
    return (
        f"[{{000214A0}}]\r\nProp3=19,11\r\n[InternetShortcut]\r\nIDList=\r\nURL={link}\r\n".encode()
    )


def desktop(link: str) -> bytes:
    return f"[Desktop Entry]\nType=Link\nName=x\nURL={link}\n".encode()


def mail(
    html: str = "", text: str = "", encoding: str = "quoted-printable", date: str = ""
) -> bytes:
    """A notice as vendors send it: two forms of the same words."""
    said = html or text
    body = base64.encodebytes(said.encode()).decode()
    if encoding == "quoted-printable":
        import quopri

        body = quopri.encodestring(said.encode()).decode()
    lines = [
        "From: noreply@vendor.example",
        "Subject: =?utf-8?q?Ihr_Export_ist_fertig_=E2=9C=93?=",
        *([f"Date: {date}"] if date else []),
        'Content-Type: multipart/mixed; boundary="one"',
        "",
        "--one",
        'Content-Type: multipart/alternative; boundary="two"',
        "",
        "--two",
        f"Content-Type: text/{'html' if html else 'plain'}; charset=utf-8",
        f"Content-Transfer-Encoding: {encoding}",
        "",
        body,
        "--two--",
        "--one--",
        "",
    ]
    return "\r\n".join(lines).encode()


def found(name: str, data: bytes) -> list[str]:
    return [link.spellings[0] for link in files.read(name, data).links]


# --- what stands in a file ------------------------------------------------------------

LINK = f"https://download.example.org/export/Data_001.zip?id=1&amp;{SECRET}".replace("&amp;", "&")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.url", shortcut(LINK)),
        ("a.URL", shortcut(LINK).decode().encode("utf-16")),
        ("a.webloc", plistlib.dumps({"URL": LINK})),
        ("a.webloc", plistlib.dumps({"URL": LINK}, fmt=plistlib.FMT_BINARY)),
        ("a.desktop", desktop(LINK)),
        ("a.eml", mail(html=f'<p><a class=x href="{LINK.replace("&", "&amp;")}">Download</a>')),
        ("a.eml", mail(html=f"<a href='{LINK}'>", encoding="base64")),
        ("a.eml", mail(text=f"Your export is ready:\r\n{LINK}.\r\nBye")),
        ("a.eml", mail(text=f"Ready: <{LINK[:50]}\r\n{LINK[50:]}>", encoding="base64")),
        ("a.eml", mail(text=f"{LINK}\r\n", encoding="base64") + b"\r\n--trailing rubbish \xff\x00"),
    ],
)
def test_each_kind_of_file_says_its_link(name, data):
    assert found(name, data) == [LINK]


def test_a_line_that_a_mail_program_broke_is_read_both_ways():
    broken = f"{LINK[:76]}\r\n{LINK[76:]}\r\nRegards"
    (link,) = files.read("a.eml", mail(text=broken, encoding="base64")).links
    assert link.spellings == (LINK, LINK[:76])
    # Where the same mail has it whole, that is the one.
    both = mail(text=broken, encoding="base64").replace(
        b"--two--",
        b'--two\r\nContent-Type: text/html\r\n\r\n<a href="' + LINK.encode() + b'">\r\n--two--',
    )
    assert found("a.eml", both) == [LINK]


def test_a_text_is_a_link_only_where_it_has_nothing_else():
    assert files.links_alone(f"\ufeff{LINK}\r\n\r\n".encode()).links[0].spellings == (LINK,)
    assert len(files.links_alone(f"{LINK}\n{LINK}\n{LINK}2".encode()).links) == 2
    for other in (f"see {LINK}", "", "notes", f"{LINK}\n" * 30, "Id,Name\n1,https://a.b"):
        assert files.links_alone(other.encode()) is None


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.url", b"[InternetShortcut]\nURL=\n"),
        ("a.url", b"\xff\xfe\x00" * 99),
        ("a.webloc", b""),
        ("a.webloc", b"bplist00" + b"\xff" * 64),
        (
            "a.webloc",
            (
                b'<!DOCTYPE x [<!ENTITY a "b">]><plist><dict><key>URL</key>'
                b"<string>&a;</string></dict></plist>"
            ),
        ),
        ("a.webloc", b"<plist>" + b"<array>" * 9000),
        ("a.desktop", b"[Desktop Entry]\nType=Application\nExec=rm\nURL=https://a.b/x.zip\n"),
        ("a.eml", b""),
        ("a.eml", b"\0" * 4000),
        ("a.eml", b"a" * (6 << 20)),
        ("a.eml", b"\n" * 300_000),
        (
            "a.eml",
            b"".join(
                b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (n, n)
                for n in range(3000)
            ),
        ),
        ("a.eml", mail(html="".join(f'<a href="https://a.example/{n}">' for n in range(10_000)))),
        ("a.eml", b"Subject: x\n\n" + (b"https://x/" + b"a" * 60 + b"\n") * 70_000),
        ("a.msg", b"\xd0\xcf\x11\xe0"),
    ],
    ids=range(15),
)
def test_what_is_no_link_is_said_to_be_none_and_soon(name, data):
    began = time.monotonic()
    with pytest.raises(ExportUnsafe) as caught:
        files.read(name, data)
    assert time.monotonic() - began < 5
    assert caught.value.message.startswith("It ")
    assert caught.value.hint


# --- fetched ------------------------------------------------------------


class Inbox:
    """An inbox with a server that its links may lead to."""

    def __init__(self, tmp_path: Path, ca: Authority) -> None:
        self.folder, self._tmp, self._count = tmp_path / "inbox", tmp_path, 0
        self.memory = tmp_path / "state" / "links" / "hand.json"
        self.folder.mkdir()
        self.settings = InboxSettings(
            "hand",
            str(self.folder),
            stable_for_seconds=0,
            reserve_bytes=0,
            link_hosts=("localhost",),
            ca_file=str(ca.certificate),
            idle_seconds=5.0,
            links_file=str(self.memory),
        )

    def put(self, name: str, data: bytes) -> None:
        (self.folder / name).write_bytes(data)

    def pull(self, at: datetime = AT, **changes):
        self._count += 1
        into = self._tmp / f"stage{self._count}"
        into.mkdir()
        return inbox.pull(replace(self.settings, **changes), into, at, (), Watch())

    def settle(self, export) -> None:
        inbox.settle(self.settings, export)

    def names(self, folder: str = "") -> set[str]:
        return {each.name for each in (self.folder / folder).iterdir() if each.is_file()} - {
            ".archived"
        }

    def refused(self, **changes) -> ApplianceError:
        with pytest.raises(ApplianceError) as caught:
            self.pull(**changes)
        error = caught.value
        for text in (error.message, error.hint, error.detail, str(error.__context__ or "")):
            assert SECRET not in text
            assert "0123456789abcdef" not in text
        return error


@pytest.fixture
def box(tmp_path: Path, ca: Authority) -> Inbox:
    return Inbox(tmp_path, ca)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(receiving, "_PAUSE", timedelta(milliseconds=1))


def serving(pages: dict[str, bytes | int]):
    """Serve these bodies or statuses by path; anything else is not there."""

    def play(request) -> None:
        said = pages.get(request.path.partition("?")[0], 404)
        if isinstance(said, int):
            request.answer(said)
        else:
            kind = "text/html" if said.startswith(b"<") else "application/zip"
            request.answer(200, said, Content_Type=kind)

    return play


def test_a_link_is_fetched_and_its_file_goes_to_done_but_never_into_the_export(box, ca):
    with stub(serving({"/Data_001.zip": ZIP}), ca) as server:
        box.put(
            "notice.eml",
            mail(html=f'<a href="{server.url(f"/Data_001.zip?{SECRET}")}">Download</a>'),
        )
        box.put("other.csv", CSV)
        export = box.pull()
        assert {file.name: file.size_bytes for file in export.files} == {
            "Data_001.zip": len(ZIP),
            "other.csv": len(CSV),
        }
        assert not export.troubles
        assert box.names() == {"notice.eml", "other.csv"}, "nothing moves before it is archived"
        assert SECRET not in box.memory.read_text()
        assert box.memory.stat().st_mode & 0o777 == 0o600
        box.settle(export)
        assert (box.names(), box.names("done")) == (set(), {"notice.eml", "other.csv"})
        assert json.loads(box.memory.read_text()) == {"files": {}, "offers": []}


def test_the_same_link_twice_is_one_and_two_files_of_one_name_are_two(box, ca):
    with stub(serving({"/a/export.csv": CSV, "/b/export.csv": CSV + b"3,Cy\r\n"}), ca) as server:
        first = server.url("/a/export.csv")
        box.put("a.url", shortcut(first))
        box.put("b.txt", f"{first}\n{server.url('/b/export.csv')}\n".encode())
        export = box.pull()
        assert [file.name for file in export.files] == ["export.csv", "export-2.csv"]
        assert len(server.requests) == 2
        box.settle(export)
        assert box.names("done") == {"a.url", "b.txt"}


def test_of_a_mail_the_downloads_are_fetched_and_pages_are_passed_over(box, ca):
    pages = {"/Data_001.zip": ZIP, "/export/help": b"<html><body>Help</body></html>"}
    with stub(serving(pages), ca) as server:
        links = ["/Data_001.zip", "/export/help", "/logo.png", "/unsubscribe", "/pricing"]
        box.put(
            "n.eml",
            mail(html="".join(f'<a href="{server.url(each)}">' for each in links)
                 + '<a href="https://click.tracker.example/x">'),
        )  # fmt: skip
        export = box.pull()
        assert [file.name for file in export.files] == ["Data_001.zip"]
        assert not export.troubles
        assert {request.path for request in server.requests} == {"/Data_001.zip", "/export/help"}
        box.settle(export)
        assert box.names("done") == {"n.eml"}


@pytest.mark.parametrize("answer", [403, 404, 302, b"%PDF-1.4 terms"])
def test_another_link_of_a_mail_whose_export_came_is_told_once(box, ca, answer):
    """It leads to where one signs in, mostly: nobody wants to hear of it every day."""

    def play(request) -> None:
        if answer == 302 and request.path == "/export/all":
            request.answer(302, Location="https://login.elsewhere.example/")
        else:
            serving({"/Data_001.zip": ZIP, "/export/all": answer})(request)

    with stub(play, ca) as server:
        links = [server.url("/Data_001.zip"), server.url("/export/all")]
        box.put("n.eml", mail(html="".join(f'<a href="{each}">' for each in links)))
        export = box.pull()
        assert [file.name for file in export.files] == ["Data_001.zip"]
        assert [each.message for each in export.troubles] == [
            "The export that n.eml leads to came. One more link in it brought no file."
        ]
        box.settle(export)
        assert (box.names(), box.names("done")) == (set(), {"n.eml"})


def test_another_link_of_a_mail_whose_export_did_not_come_is_asked_for_again(box, ca):
    pages: dict[str, bytes | int] = {"/Data_001.zip": 503, "/export/all": 403}
    with stub(serving(pages), ca) as server:
        links = [server.url("/Data_001.zip"), server.url("/export/all")]
        box.put("n.eml", mail(html="".join(f'<a href="{each}">' for each in links)))
        box.put("good.csv", CSV)
        box.settle(box.pull())
        assert box.names() == {"n.eml"}


def test_a_mail_that_has_an_export_attached_is_never_put_away_without_it(box, ca):
    message = EmailMessage()
    message["Subject"] = "Your weekly export"
    with stub(serving({"/a.zip": ZIP}), ca) as server:
        message.set_content(f"Here it is: {server.url('/a.zip')} and attached.")
        message.add_attachment(b"x", maintype="image", subtype="png", filename="logo.png")
        box.put("logo.eml", bytes(message))
        message.add_attachment(CSV, maintype="text", subtype="csv", filename="Kontakte ü.csv")
        box.put("n.eml", bytes(message))
        export = box.pull()
        assert [file.name for file in export.files] == ["a.zip"]
        (told,) = export.troubles
        assert told.message.startswith("What is in n.eml cannot be fetched: it has a file attached")
        box.settle(export)
        assert (box.names(), box.names("done")) == ({"n.eml"}, {"logo.eml"})
    kept = box.pull(link_hosts=())
    assert [file.name for file in kept.files] == ["n.eml"], "a file like any other, with all in it"


@pytest.mark.parametrize("path", ["/d/0123456789abcdefkey", "/d/eyJhb.eyJzZWN.SflKxw", "/d/"])
def test_a_key_at_the_end_of_a_link_names_no_file(box, ca, path):
    with stub(lambda request: request.answer(200, CSV, Content_Type="text/csv"), ca) as server:
        box.put("a.url", shortcut(server.url(path)))
        assert [file.name for file in box.pull().files] == ["export"]
    said = 'attachment; filename="0123456789abcdefkey"'
    with stub(lambda request: request.answer(200, CSV, Content_Disposition=said), ca) as server:
        box.put("a.url", shortcut(server.url("/d/0123456789abcdefkey")))
        assert [file.name for file in box.pull().files] == ["export"]
    said = 'attachment; filename="Kontakte"'
    with stub(lambda request: request.answer(200, CSV, Content_Disposition=said), ca) as server:
        box.put("a.url", shortcut(server.url(path)))
        assert [file.name for file in box.pull().files] == ["Kontakte"]


def test_a_dead_link_beside_a_page_is_dead_and_counted_down_no_more(box, ca):
    pages = {"/a.zip": 410, "/export/help": b"<html><body>Help</body></html>"}
    with stub(serving(pages), ca) as server:
        box.put("n.eml", mail(html="".join(f'<a href="{server.url(each)}">' for each in pages)))
        box.refused(links_last_seconds=7 * 86400.0)
        assert offers(box) == []


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_dead_link_is_told_in_plain_words_and_holds_up_nothing(box, ca, status):
    with stub(serving({"/old.zip": status}), ca) as server:
        box.put("old.url", shortcut(server.url(f"/old.zip?{SECRET}")))
        error = box.refused()
        assert error.message == "The link in old.url has died; ask for a new export."
        assert type(error) is LinkDead
        box.put("other.csv", CSV)
        export = box.pull()
        assert [file.name for file in export.files] == ["other.csv"]
        assert [each.message for each in export.troubles] == [error.message]
        box.settle(export)
        assert (box.names(), box.names("done")) == ({"old.url"}, {"other.csv"})


def test_what_came_of_a_mail_is_kept_and_only_the_rest_is_asked_for_again(box, ca):
    pages: dict[str, bytes | int] = {"/Data_001.zip": ZIP, "/Data_002.zip": 503}
    with stub(serving(pages), ca) as server:
        both = [server.url("/Data_001.zip"), server.url("/Data_002.zip")]
        box.put("n.eml", mail(html="".join(f'<a href="{each}">' for each in both)))
        export = box.pull()
        assert [file.name for file in export.files] == ["Data_001.zip"]
        assert isinstance(export.troubles[0], SourceUnreachable), "it is tried again"
        box.settle(export)
        assert box.names() == {"n.eml"}
        pages["/Data_002.zip"] = ZIP + b"\0" * 0
        del server.requests[:]
        export = box.pull()
        assert [request.path for request in server.requests] == ["/Data_002.zip"]
        box.settle(export)
        assert box.names("done") == {"n.eml"}


def test_a_pull_that_was_never_archived_counts_for_nothing(box, ca):
    with stub(serving({"/a.zip": ZIP}), ca) as server:
        box.put("a.url", shortcut(server.url("/a.zip")))
        box.pull()
        assert len(box.pull().files) == 1, "fetched once more"
        box.settle(replace(box.pull(), files=()))
        assert box.names() == {"a.url"}


def test_what_could_not_be_moved_is_not_fetched_twice(box, ca):
    with stub(serving({"/a.zip": ZIP}), ca) as server:
        box.put("a.url", shortcut(server.url("/a.zip")))
        (box.folder / "done").symlink_to("elsewhere")
        export = box.pull()
        with pytest.raises(SourceUnreachable):
            box.settle(export)
        (box.folder / "done").unlink()
        assert box.pull().files == ()
        assert len(server.requests) == 1
        assert box.names("done") == {"a.url"}


# --- where links may not lead ------------------------------------------------------------


def test_without_hosts_a_link_is_told_of_and_a_mail_is_a_file_like_any_other(box):
    box.put("a.url", shortcut(LINK))
    error = box.refused(link_hosts=())
    assert error.message == "a.url holds a link, and this inbox follows no links."
    assert "link_hosts" in error.hint
    box.put("plain.eml", mail(text="Hello https://shop.example/"))
    box.put("notice.eml", mail(text=f"Here: {LINK}"))
    export = box.pull(link_hosts=())
    assert {file.name for file in export.files} == {"plain.eml", "notice.eml"}
    assert {each.message.split()[0] for each in export.troubles} == {"a.url", "notice.eml"}


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ("http://localhost:1/a.zip", "not protected"),
        ("https://user:pw@localhost:1/a.zip", "names no user"),
        ("https://elsewhere.example/a.zip", "does not lead to a download on a server"),
        ("https://127.0.0.1:1/a.zip", "does not lead to a download on a server"),
        ("https://router.zoho.com.evil.example/a.zip", "Found: router.zoho.com.evil.example"),
        ("file:///etc/passwd", "no link that can be fetched"),
        ("ftp://localhost/a.zip", "begins with https://"),
        ("https://localhost:1/a b.zip", "cannot be reached"),
        ("https://localhost\\@elsewhere.example/a.zip", "Found: elsewhere.example"),
        ("https://elsewhere.example\\@localhost/a.zip", "names no user"),
    ],
)
def test_a_link_leads_only_where_it_may(box, link, words):
    box.put("a.url", shortcut(link))
    assert words in box.refused().message
    assert box.names() == {"a.url"}


@pytest.mark.parametrize("hosts", [("localhost",), ()])
@pytest.mark.parametrize(
    "link", ["https://[unsubscribe]/export.zip", "https://exa\u2100ple.com/a.zip"]
)
def test_a_link_that_nobody_can_understand_holds_up_nothing(box, hosts, link):
    """Mails are sent with placeholders in them; in a plain inbox, too, they are files to keep."""
    box.put("n.eml", mail(html=f'<a href="{link}">'))
    box.put("a.url", shortcut(link))
    box.put("good.csv", CSV)
    export = box.pull(link_hosts=hosts)
    assert {file.name for file in export.files} == {"good.csv", *(["n.eml"] if not hosts else [])}
    told = {each.message for each in export.troubles}
    assert told >= ({"a.url holds no link that can be fetched."} if hosts else set())
    assert len(told) == (2 if hosts else 1)


def test_a_glob_reaches_the_internet_alone_and_a_redirect_only_what_is_listed(box, ca):
    with stub(serving({"/a.zip": ZIP}), ca) as server:
        box.put("a.url", shortcut(server.url("/a.zip")))
        assert "private network" in box.refused(link_hosts=("loc*lhost",)).message
        assert not server.requests, "not a byte was sent"

    def away(request) -> None:
        request.answer(302, Location=f"https://127.0.0.1:{server.port}/b.zip?{SECRET}")

    with stub(away, ca) as server:
        box.put("a.url", shortcut(server.url("/a.zip")))
        error = box.refused()
        assert "sends us on to 127.0.0.1" in error.message
        assert "link_hosts" in error.hint


def test_no_error_on_the_way_shows_the_key_of_a_redirect(box, ca):
    def away(request) -> None:
        request.answer(302, Location=f"https://localhost:1/b.zip?{SECRET}")

    def cut(request) -> None:
        request.answer(200, ZIP[:50], Content_Length=str(len(ZIP)), ETag="")

    for play in (away, cut):
        with stub(play, ca) as server:
            box.put("a.url", shortcut(server.url(f"/{SECRET}/a.zip?{SECRET}")))
            assert box.refused().retry


def test_a_table_that_is_called_a_web_page_is_none(box, ca):
    """Old programs say text/html of whatever they send: the bytes count."""
    with stub(lambda request: request.answer(200, CSV, Content_Type="text/html"), ca) as server:
        box.put("a.url", shortcut(server.url("/a.csv")))
        assert [file.size_bytes for file in box.pull().files] == [len(CSV)]


def test_a_thousand_files_with_links_are_told_in_few_words(box):
    for number in range(300):
        box.put(f"{number}.url", shortcut("https://elsewhere.example/a.zip"))
    box.put("good.csv", CSV)
    troubles = box.pull().troubles
    assert len(troubles) == 21
    assert troubles[-1].message == "280 more files with links were not fetched."
    (box.folder / "good.csv").unlink()
    assert len(box.refused().message) < 1000


def test_a_mail_with_trackers_alone_says_whose_they_are(box):
    box.put("n.eml", mail(html='<a href="https://click.tracker.example/c?to=x">Download</a>'))
    error = box.refused()
    assert "click.tracker.example" in error.message
    assert "counts clicks" in error.hint


def test_hostile_mails_and_bodies_meet_the_limits_and_hold_up_nothing(box, ca):
    def endless(request) -> None:
        request.answer(200, b"PK\x03\x04" + b"\0" * 60_000)

    with stub(endless, ca) as server:
        box.put("huge.eml", b"Subject: x\n" + b"a" * (12 << 20))
        box.put(
            "many.eml",
            mail(html="".join(f'<a href="{server.url(f"/{n}.zip")}">' for n in range(99))),
        )
        box.put("big.url", shortcut(server.url("/big.zip")))
        box.put("good.csv", CSV)
        export = box.pull(max_bytes=50_000)
        assert [file.name for file in export.files] == ["good.csv"]
        assert {each.message.partition(".")[0].split()[-1] for each in export.troubles} >= {"huge"}
        assert len(export.troubles) == 3
        assert [request.path for request in server.requests] == ["/big.zip"]


def test_the_limit_is_told_as_it_was_set(box, ca):
    with stub(serving({"/a.zip": ZIP, "/b.csv": CSV * 3}), ca) as server:
        box.put("a.url", shortcut(server.url("/a.zip")))
        box.put("b.url", shortcut(server.url("/b.csv")))
        limit = len(ZIP) + 20
        (told,) = box.pull(max_bytes=limit).troubles
    assert f"larger than {limit} bytes" in told.message


def test_a_web_page_is_no_export_whatever_it_is_called(box, ca):
    def play(request) -> None:
        request.answer(200, b"<html>Sign in</html>", Content_Type="application/zip")

    with stub(play, ca) as server:
        box.put("a.url", shortcut(server.url("/a.zip")))
        assert "a.url" in box.refused().message
    with stub(serving({"/a.zip": b"<html>Sign in</html>"}), ca) as server:
        box.put("a.url", shortcut(server.url("/a.zip")))
        assert "leads to a web page" in box.refused().message


def test_a_slow_server_costs_its_own_link_alone(box, ca):
    with stub(serving({"/a.zip": ZIP}), ca) as server:
        box.put("a.url", shortcut(server.url("/a.zip")))
        box.put("good.csv", CSV)
        export = box.pull(total_seconds=0)
        assert [file.name for file in export.files] == ["good.csv"]
        assert export.troubles[0].retry


# --- counted down ------------------------------------------------------------


def offers(box: Inbox) -> list[dict]:
    return json.loads(box.memory.read_text())["offers"]


def test_how_long_a_link_works_counts_from_when_it_came_or_its_mail_was_sent(box, ca):
    week = {"links_last_seconds": 7 * 86400.0}
    with stub(serving({"/a.zip": 503, "/b.zip": 503}), ca) as server:
        box.put("a.url", shortcut(server.url("/a.zip")))
        sent = "Fri, 20 Nov 2026 10:00:00 +0100"
        box.put("b.eml", mail(html=f'<a href="{server.url("/b.zip")}">', date=sent))
        future = "Fri, 20 Nov 2099 10:00:00 +0100"
        box.put("c.eml", mail(html=f'<a href="{server.url("/b.zip")}">', date=future))
        box.refused(**week)
        box.refused(at=AT + timedelta(hours=5), **week)
        assert {each["what"]: each["until"] for each in offers(box)} == {
            "a.url": (AT + timedelta(days=7)).isoformat(),
            "b.eml": datetime(2026, 11, 27, 9, tzinfo=UTC).isoformat(),
            "c.eml": (AT + timedelta(days=7)).isoformat(),
        }
    for name in ("a.url", "b.eml", "c.eml"):
        (box.folder / name).unlink()
    box.pull(**week)
    assert offers(box) == [], "who took the files out wants to hear no more of them"


def test_a_clock_that_ran_ahead_when_a_link_came_gives_it_no_more_time(box, ca):
    week = {"links_last_seconds": 7 * 86400.0}
    with stub(serving({"/a.zip": 503}), ca) as server:
        box.put("a.url", shortcut(server.url("/a.zip")))
        box.refused(at=AT + timedelta(days=400), **week)
        box.refused(**week)
    assert [each["until"] for each in offers(box)] == [(AT + timedelta(days=7)).isoformat()]


def test_how_long_a_server_wants_us_to_wait_is_kept(box, ca):
    def busy(request) -> None:
        request.answer(429, Retry_After="1200")

    with stub(busy, ca) as server:
        box.put("a.url", shortcut(server.url("/a.zip")))
        assert box.refused().retry_after == timedelta(minutes=20)
        box.put("good.csv", CSV)
        assert box.pull().troubles[0].retry_after == timedelta(minutes=20)


def test_a_memory_that_cannot_be_read_is_begun_anew(box, ca):
    box.memory.parent.mkdir(parents=True)
    box.memory.write_text('{"files": {"x": {"since": "yesterday"}}}')
    with stub(serving({"/a.zip": ZIP}), ca) as server:
        box.put("a.url", shortcut(server.url("/a.zip")))
        box.settle(box.pull())
    assert box.names("done") == {"a.url"}


def test_an_inbox_looks_for_links_whatever_it_picks():
    picky = InboxSettings("hand", "/x", pick=("*.zip",), link_hosts=("a.example",))
    assert [
        name for name in ("a.zip", "a.eml", "a.url", "a.csv", ".a.url") if picky.wants(name)
    ] == [
        "a.zip",
        "a.eml",
        "a.url",
    ]
    assert not replace(picky, link_hosts=()).wants("a.url")


def test_a_link_file_that_cannot_be_opened_holds_up_nothing(box, monkeypatch):
    def refuse(folder, entry):
        if entry.name == "a.url":
            raise SourceRefused("It cannot be opened.")
        return b""

    monkeypatch.setattr(held, "_read", refuse)
    box.put("a.url", b"x")
    box.put("good.csv", CSV)
    export = box.pull()
    assert [file.name for file in export.files] == ["good.csv"]
    assert len(export.troubles) == 1


def test_a_file_that_chance_has_spoilt_is_read_or_refused_and_nothing_else():
    chance = random.Random(6)
    whole = [
        ("a.eml", mail(html=f'<a href="{LINK}">')),
        ("a.eml", mail(text=f"{LINK[:70]}\r\n{LINK[70:]}", encoding="base64")),
        ("a.url", shortcut(LINK)),
        ("a.webloc", plistlib.dumps({"URL": LINK}, fmt=plistlib.FMT_BINARY)),
    ]
    for _ in range(1500):
        name, data = chance.choice(whole)
        spoilt = bytearray(data)
        for _ in range(chance.randrange(1, 8)):
            at = chance.randrange(len(spoilt))
            spoilt[at : at + chance.randrange(9)] = chance.randbytes(chance.randrange(4))
        with suppress(ExportUnsafe):
            assert files.read(name, bytes(spoilt)).links

from __future__ import annotations

import gzip
import hashlib
import io
import re
import socket
import ssl
import subprocess
import sys
import threading
import traceback
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from pathlib import Path
from time import monotonic

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appliance.core.errors import (
    ApplianceError,
    Cancelled,
    DiskFull,
    ExportNotReady,
    ExportUnsafe,
    SourceRefused,
    SourceUnreachable,
)
from appliance.core.model import Export, SeenFile
from appliance.core.ports import Watch
from appliance.demo.authority import Authority
from appliance.sources import answers, calling, http, origins, receiving
from appliance.sources.http import HttpSettings, pull
from tests import servers

from .selfsigned import selfsigned
from .stub import Request, stub

NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)
CSV = b"Record Id,Name\r\n" + b"".join(b"zcrm_%d,Someone %d\r\n" % (n, n) for n in range(40_000))


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(receiving, "_PAUSE", timedelta(milliseconds=1))


@pytest.fixture
def fetch(tmp_path: Path, ca: Authority):
    """Pull from an address into a fresh folder; the keywords are HttpSettings."""
    count = iter(range(1000))

    def fetch(url: str, seen: tuple = (), watch: Watch | None = None, **settings) -> Export | None:
        into = tmp_path / f"into-{next(count)}"
        into.mkdir()
        given = {"ca_file": str(ca.certificate), "reserve_bytes": 0, "idle_seconds": 5.0}
        try:
            return pull(
                HttpSettings("crm", url, **given | settings), into, NOW, seen, watch or Watch()
            )
        except Cancelled:
            raise  # staging is wiped by whoever cancelled
        except ApplianceError:
            assert list(into.iterdir()) == [], "nothing of a failed pull is kept"
            raise

    return fetch


def only(export: Export | None):
    assert export is not None
    (file,) = export.files
    data = file.path.read_bytes()
    assert file.size_bytes == len(data)
    assert file.sha256 == hashlib.sha256(data).hexdigest()
    return file, data


def remembered(export: Export | None) -> tuple[SeenFile, ...]:
    file, _ = only(export)
    return (SeenFile(file.name, file.size_bytes, file.sha256, file.modified, file.validator),)


def say(status: int = 200, body: bytes = CSV, **headers: str):
    return lambda request: request.answer(status, body, **headers)


# --- the normal path, against nginx ---------------------------------------------------------


@pytest.mark.parametrize("kind", ["open", "basic", "bearer", "header", "query"])
def test_each_login_brings_the_export_from_nginx(https, served: Path, fetch, kind: str):
    (served / "Kunden 2026.csv").write_bytes(CSV)
    auth = {
        "open": {"kind": "none"},
        "basic": {"kind": "basic", "user": https.user, "password": https.password},
        "bearer": {"kind": "bearer", "token": https.token},
        "header": {"kind": "header", "name": https.header, "value": https.token},
        "query": {"kind": "query", "name": https.parameter, "value": https.token},
    }
    export = fetch(https.url(f"/{kind}/Kunden%202026.csv"), auth=auth[kind])
    file, data = only(export)
    assert (file.name, data) == ("Kunden 2026.csv", CSV)
    assert abs(export.server_time - datetime.now(UTC)) < timedelta(seconds=5)
    assert export.pulled_at == NOW
    if kind != "open":
        with pytest.raises(SourceRefused):
            fetch(https.url(f"/{kind}/Kunden%202026.csv"))


def test_an_unchanged_export_is_not_fetched_again_and_a_changed_one_is(https, served, fetch):
    (served / "a.csv").write_bytes(CSV)
    url = https.url("/open/a.csv")
    first = remembered(fetch(url))
    assert fetch(url, first) is None
    (served / "a.csv").write_bytes(CSV + b"zcrm_x,New\r\n")
    assert only(fetch(url, first))[1].endswith(b"New\r\n")
    assert fetch(https.url("/open/../open/a.csv?x=1"), first) is not None, "another address"


def test_a_validator_counts_only_for_the_newest_and_for_its_own_address(fetch, ca):
    with stub(say(ETag='"1"'), ca) as server:
        first = remembered(fetch(server.url()))
        older = (SeenFile("export.csv", 1, "0"), *first)
        fetch(server.url(), older)
        fetch(server.url("/leads.csv"), first)
        assert all("If-None-Match" not in request.headers for request in server.requests)
        fetch(server.url(), first)
        assert server.requests[-1].headers["If-None-Match"] == '"1"'


def test_a_date_is_a_validator_only_once_it_has_settled(fetch, ca):
    def play(request: Request) -> None:
        modified = format_datetime(datetime.now(UTC) - age, usegmt=True)
        request.answer(200, CSV, Last_Modified=modified)

    with stub(play, ca) as server:
        age = timedelta(seconds=1)
        assert only(fetch(server.url()))[0].validator == ""
        age = timedelta(hours=1)
        assert fetch(server.url(), remembered(fetch(server.url()))) is not None
        assert "If-Modified-Since" in server.requests[-1].headers


def test_304_without_a_question_is_not_an_answer(fetch, ca):
    with stub(say(304, b""), ca) as server, pytest.raises(SourceRefused):
        fetch(server.url())


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ('attachment; filename="a b.csv"', "a b.csv"),
        ("attachment; filename=plain.csv", "plain.csv"),
        ("attachment; filename=\"x.csv\"; filename*=UTF-8''K%C3%A4ufer.csv", "Käufer.csv"),
        ("attachment; filename*=iso-8859-1'de'K%E4ufer.csv", "Käufer.csv"),
        ('attachment; filename="../../etc/cron.d/x.csv"', "etc/cron.d/x.csv"),
        ('attachment; filename="C:\\\\temp\\\\x.csv"', "C:/temp/x.csv"),
        ("attachment; filename*=nonsense'';x", "export.csv"),
        ("inline", "export.csv"),
        ("", "export.csv"),
    ],
)
def test_the_file_is_called_what_the_server_calls_it(fetch, ca, told: str, name: str):
    with stub(say(Content_Disposition=told), ca) as server:
        assert only(fetch(server.url()))[0].name == name
        assert only(fetch(server.url(), file_name="mine.csv"))[0].name == "mine.csv"


# --- C9, C10: whole, and an export -----------------------------------------------------------


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.csv", CSV)
    return buffer.getvalue()


def chunked(request: Request, body: bytes, *, end: bool) -> None:
    request.answer(200, b"", Content_Length="", Transfer_Encoding="chunked")
    for at in range(0, len(body), 50_000):
        piece = body[at : at + 50_000]
        request.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
    if end:
        request.wfile.write(b"0\r\n\r\n")


@pytest.mark.parametrize("tenth", range(11))
@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
@pytest.mark.parametrize("name", ["export.csv", "export.zip"])
def test_C9_a_body_cut_at_each_tenth_is_never_taken(fetch, ca, tenth, framing, name):
    whole = CSV if name.endswith("csv") else zipped()
    part = whole[: len(whole) * tenth // 10]

    def play(request: Request) -> None:
        if framing == "length":
            request.answer(200, part, Content_Length=str(len(whole)))
        elif framing == "chunked":
            chunked(request, part, end=tenth == 10)
        else:
            request.answer(200, part, Content_Length="")
        request.cut()

    protocol = "HTTP/1.0" if framing == "close" else "HTTP/1.1"
    with stub(play, ca, protocol=protocol) as server:
        if tenth == 10 and (framing != "close" or name.endswith("zip")):
            assert only(fetch(server.url("/" + name)))[1] == whole
        else:
            with pytest.raises((SourceUnreachable, ExportUnsafe)):
                fetch(server.url("/" + name))


@pytest.mark.parametrize("length", ["abc", "-1", "5, 6", "99999999999999999999"])
def test_a_nonsense_length_proves_nothing(fetch, ca, length: str):
    with stub(say(Content_Length=length), ca) as server, pytest.raises(ApplianceError):
        fetch(server.url())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xef\xbb\xbf",
        b"<!DOCTYPE html><title>Log in</title>",
        b'{"error":"denied"}',
        b"%PDF-",
    ],
)
def test_C10_status_200_does_not_make_an_export(fetch, ca, body: bytes):
    with stub(say(body=body, Content_Type="text/csv"), ca) as server, pytest.raises(ExportUnsafe):
        fetch(server.url())


# --- C12: resuming ---------------------------------------------------------------------------


class Shelf:
    """Serves `versions` one after the other, cutting each answer but the last at half."""

    def __init__(self, *versions: bytes, etag: str = '"{}"', lie: str = "", cuts: int = 1) -> None:
        self.versions, self.etag, self.lie, self.cuts = versions, etag, lie, cuts

    def __call__(self, request: Request) -> None:
        turn = len(request.server.stub.requests) - 1
        version = self.versions[min(turn, len(self.versions) - 1)]
        tag = self.etag.format(hashlib.sha256(version).hexdigest()[:8]) if self.etag else ""
        asked = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        start = int(asked[1]) if asked and (request.headers["If-Range"] == tag or self.lie) else 0
        said = f"bytes {start}-{len(version) - 1}/{len(version)}"
        if self.lie == "start" and start:
            said = f"bytes {start - 1}-{len(version) - 1}/{len(version)}"
        if self.lie == "size" and start:
            said = f"bytes {start}-{len(version)}/{len(version) + 1}"
        body = version[start:]
        headers = {"ETag": tag, "Content_Length": str(len(body))}
        headers |= {"Content_Range": said} if start else {}
        body = body[: len(body) // 2] if turn < self.cuts else body
        request.answer(206 if start else 200, body, **headers)
        request.cut()


def test_an_interrupted_export_goes_on_where_it_broke_off(fetch, ca):
    with stub(Shelf(CSV, cuts=3), ca) as server:
        assert only(fetch(server.url()))[1] == CSV
        starts = [request.headers.get("Range") for request in server.requests]
        half = len(CSV) // 2
        assert starts[:2] == [None, f"bytes={half}-"]
        assert None not in starts[1:]


@pytest.mark.slow
def test_nginx_that_is_restarted_during_a_pull_is_asked_for_the_rest(
    fetch, ca, tmp_path, served, monkeypatch
):
    monkeypatch.setattr(receiving, "_PAUSE", timedelta(milliseconds=200))
    (served / "a.csv").write_bytes(CSV)
    slow = f'location /slow/ {{ alias "{served}/"; limit_rate 400k; }}'
    under_way = threading.Event()
    watch = Watch(lambda progress: under_way.set() if progress.done > 100_000 else None)
    nginx = partial(servers.https, tmp_path / "nginx", served, ca, extra=slow)
    with ExitStack() as first, ThreadPoolExecutor() as pool:
        server = first.enter_context(nginx())
        pulled = pool.submit(fetch, server.url("/slow/a.csv"), watch=watch)
        assert under_way.wait(10)
        first.close()
        with nginx(port=server.port) as again:
            assert only(pulled.result(timeout=30))[1] == CSV
    assert again.access_log.read_text().splitlines()[-1].startswith("206 GET")


OTHER = CSV.replace(b"Someone", b"Anybody")


@pytest.mark.parametrize("lie", ["", "start", "size", "any"])
@pytest.mark.parametrize("etag", ['"{}"', 'W/"{}"', ""])
def test_C12_two_versions_are_never_spliced(fetch, ca, lie: str, etag: str):
    with stub(Shelf(CSV, OTHER, etag=etag, lie=lie), ca) as server:
        assert only(fetch(server.url()))[1] == OTHER
        if etag != '"{}"':
            assert all("Range" not in request.headers for request in server.requests)


def test_an_export_that_always_breaks_off_is_given_up(fetch, ca):
    with stub(Shelf(CSV, etag="", cuts=99), ca) as server:
        with pytest.raises(SourceUnreachable):
            fetch(server.url())
        assert len(server.requests) <= 6


# --- C13, C14: where we go --------------------------------------------------------------------

CANARY = "canary-6b1f"
LOGINS = {
    "basic": {"kind": "basic", "user": "u", "password": CANARY},
    "bearer": {"kind": "bearer", "token": CANARY},
    "header": {"kind": "header", "name": "X-Api-Key", "value": CANARY},
    "query": {"kind": "query", "name": "api_key", "value": CANARY},
}


def shows(request: Request) -> bool:
    sent = str(request.headers) + request.path
    basic = "dTpjYW5hcnktNmIxZg" in sent  # printf u:canary-6b1f | base64
    return CANARY in sent or basic


@pytest.mark.parametrize("login", LOGINS)
@pytest.mark.parametrize(
    ("where", "listed", "outcome"),
    [
        ("same origin", {}, "shown"),
        ("other port", {}, "followed"),
        ("other host", {"hosts": ["127.0.0.1"]}, "followed"),
        ("other host", {"credential_hosts": ["127.0.0.1"]}, "shown"),
        ("other host", {"hosts": ["*.example.org", "127.0.0.2"]}, "refused"),
        ("plain", {"hosts": ["127.0.0.1"], "credential_hosts": ["127.0.0.1"]}, "refused"),
    ],
)
def test_C13_credentials_follow_a_redirect_only_to_listed_hosts(
    fetch, ca, login, where, listed, outcome
):
    with stub(say(), ca) as other, stub(say()) as plain:

        def play(request: Request) -> None:
            if request.path.startswith("/moved"):
                request.answer(200, CSV)
            else:  # with our own query repeated, as `return 302 https://other$request_uri` does
                query = request.path.partition("?")[2]
                request.answer(302, b"", Location=f"{target}?{query}")

        with stub(play, ca) as home:
            target = {
                "same origin": home.url("/moved.csv"),
                "other port": other.url("/moved.csv"),
                "other host": other.url("/moved.csv", "127.0.0.1"),
                "plain": plain.url("/moved.csv", "127.0.0.1"),
            }[where]
            if outcome == "refused":
                with pytest.raises(SourceRefused) as caught:
                    fetch(home.url(), auth=LOGINS[login], **listed)
                assert CANARY not in "".join(traceback.format_exception(caught.value))
            else:
                fetch(home.url(), auth=LOGINS[login], **listed)
            assert shows(home.requests[0])
            arrived = home.requests[1:] + other.requests + plain.requests
    assert [shows(request) for request in arrived] == {
        "shown": [True],
        "followed": [False],
        "refused": [],
    }[outcome]
    if outcome == "followed" and login == "query":
        assert "api_key" not in arrived[0].path


def test_the_refusal_names_the_host_and_what_to_add(fetch, ca):
    with (
        stub(say(302, b"", Location="https://files.example.net/x?sig=s3cret"), ca) as server,
        pytest.raises(SourceRefused) as caught,
    ):
        fetch(server.url())
    assert "files.example.net" in caught.value.message
    assert '"files.example.net"' in caught.value.hint
    assert "s3cret" not in caught.value.message + caught.value.hint + caught.value.detail


def test_a_signed_link_is_followed_with_its_query_as_it_is(fetch, ca):
    signed = "/b.zip?X-Amz-Signature=a%2Fb%3D&X-Amz-Date=20261121"
    with stub(say(), ca) as store, stub(say(302, b"", Location=store.url(signed)), ca) as home:
        fetch(home.url(), auth=LOGINS["bearer"], file_name="b.csv")
    assert store.requests[0].path == signed
    assert "Authorization" not in store.requests[0].headers


@pytest.mark.parametrize(
    "location",
    [
        "http://localhost/x",
        "ftp://localhost/x",
        "file:///etc/passwd",
        "https://user:pass@localhost/x",
        "https://localhost@evil.example/x",
        "https://evil.example\\@localhost/x",
        "//evil.example/x",
        "https://evil.example#localhost",
        "https://[::1",
        "https://2130706433/x",
        "https://0x7f000001/x",
        "https://[::ffff:127.0.0.1]/x",
        "javascript:alert(1)",
    ],
)
def test_C14_hostile_redirects_are_refused(fetch, ca, location: str):
    with stub(say(302, b"", Location=location), ca) as server, pytest.raises(SourceRefused):
        fetch(server.url(), hosts=["*.org"])


def test_redirects_without_end_are_given_up_and_their_bodies_never_read(fetch, ca):
    def play(request: Request) -> None:
        request.answer(302, b"x" * 1000, Location="/again", Content_Length=str(1 << 40))

    with stub(play, ca) as server:
        with pytest.raises(SourceRefused, match="without end"):
            fetch(server.url())
        assert len(server.requests) == 6


def test_C14_a_name_that_a_pattern_allows_must_not_lead_inside(fetch, ca, monkeypatch):
    """A name server of the attacker's answers with our own address."""
    real = socket.getaddrinfo

    def rebound(host, *rest, **named):
        host = host.decode() if isinstance(host, bytes) else host
        return real("127.0.0.1" if host.endswith(".example.org") else host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", rebound)
    with stub(say(), ca) as inside:
        there = inside.url(host="files.example.org")
        with stub(say(302, b"", Location=there), ca) as home:
            with pytest.raises(SourceRefused, match="private network"):
                fetch(home.url(), hosts=["*.example.org"])
            assert inside.requests == []
            with pytest.raises(SourceRefused, match="certificate"):
                fetch(home.url(), hosts=["files.example.org"])  # listed by name: goes there


@pytest.mark.parametrize(
    ("number", "public"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:10.0.0.1", False),
        ("2002:7f00:1::", False),
        ("64:ff9b::a00:1", False),
    ],
)
def test_C14_which_numbers_are_in_the_open_internet(number: str, public: bool):
    assert origins.is_public(number) is public


def test_plain_http_is_for_this_machine_only(fetch):
    with stub(say()) as server:
        assert only(fetch(server.url()))[1] == CSV
        assert fetch(server.url()).server_time is None, "nothing protects it"
    with pytest.raises(SourceRefused, match="not protected"):
        fetch("http://crm.example.org/export.csv")


# --- C15: time --------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [b"", bytes(4_000_000)], ids=["at once", "after a quick start"])
def test_C15_a_drip_is_ended_by_the_minimum_rate(fetch, ca, first: bytes):
    ended = threading.Event()

    def play(request: Request) -> None:
        request.answer(200, first, Content_Length=str(1_000_000 + len(first)))
        while not ended.wait(0.02):
            request.wfile.write(b"x")

    with stub(play, ca) as server:
        started = monotonic()
        with pytest.raises(SourceUnreachable, match="slowly"):
            fetch(server.url(), min_rate_bytes_per_second=1000, rate_seconds=0.5)
        assert monotonic() - started < 10, "and not when all of it has dripped"
        ended.set()


@pytest.mark.parametrize("when", ["before", "within"])
def test_C15_silence_is_ended(fetch, ca, when: str):
    ended = threading.Event()

    def play(request: Request) -> None:
        if when == "within":
            request.answer(200, CSV[:1000], Content_Length=str(len(CSV)))
        ended.wait(10)

    with stub(play, ca) as server:
        with pytest.raises(SourceUnreachable, match=r"silent|again"):
            fetch(server.url(), idle_seconds=0.2)
        ended.set()


def test_somebody_who_cancels_is_heard(fetch, ca):
    watch = Watch(progress=lambda progress: watch.cancel.set())
    with stub(say(), ca) as server, pytest.raises(Cancelled):
        fetch(server.url(), watch=watch)


# --- C16: statuses and waits ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (202, ExportNotReady),
        (204, ExportNotReady),
        (206, SourceRefused),
        (400, SourceRefused),
        (401, SourceRefused),
        (403, SourceRefused),
        (404, ExportNotReady),
        (410, SourceRefused),
        (416, SourceRefused),
        (429, SourceUnreachable),
        (500, SourceUnreachable),
        (502, SourceUnreachable),
        (503, SourceUnreachable),
    ],
)
def test_each_status_has_its_sentence(fetch, ca, status: int, kind: type[ApplianceError]):
    with stub(say(status, b""), ca) as server, pytest.raises(kind) as caught:
        fetch(server.url())
    assert str(status) in caught.value.detail
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_C16_a_short_wait_is_waited_for_at_most_three_times(fetch, ca, status: int, monkeypatch):
    waited = []
    watch = Watch()
    monkeypatch.setattr(watch.cancel, "wait", waited.append)
    with stub(say(status, b"", Retry_After="7"), ca) as server:
        with pytest.raises(SourceUnreachable) as caught:
            fetch(server.url(), watch=watch)
        assert waited == [7.0, 7.0, 7.0]
        assert caught.value.retry_after == timedelta(seconds=7)
        server.play = lambda request: request.answer(
            *((200, CSV) if len(server.requests) > 5 else (status, b"")), Retry_After="1"
        )
        assert only(fetch(server.url(), watch=watch))[1] == CSV


@pytest.mark.parametrize(
    ("told", "wait"),
    [
        ("300", timedelta(minutes=5)),
        ("999999", timedelta(hours=1)),
        ("Sat, 21 Nov 2026 03:10:00 GMT", timedelta(minutes=10)),
        ("Sat, 21 Nov 2020 03:10:00 GMT", timedelta(0)),
        ("Sat, 21 Nov 2099 03:10:00 GMT", timedelta(hours=1)),
        ("soon", None),
        ("-5", None),
        ("9" * 50, None),
    ],
)
def test_C16_retry_after_is_bounded_and_measured_by_the_servers_clock(told, wait):
    headers = {"Retry-After": told, "Date": "Sat, 21 Nov 2026 03:00:00 GMT"}
    assert answers.retry_after(headers) == wait


# --- C17, C18: certificates -------------------------------------------------------------------

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("issued", "kind", "words"),
    [
        (
            {"ends": datetime(2020, 1, 2, tzinfo=UTC), "starts": datetime(2020, 1, 1, tzinfo=UTC)},
            SourceRefused,
            r"expired.*date and time",
        ),
        (
            {"starts": datetime(2090, 1, 1, tzinfo=UTC), "ends": datetime(2091, 1, 1, tzinfo=UTC)},
            SourceUnreachable,
            r"not valid yet.*date and time",
        ),
        ({"hosts": ("crm.example.org",)}, SourceRefused, "another server"),
    ],
)
def test_C18_what_is_wrong_with_a_certificate_is_said(fetch, ca, issued, kind, words):
    pair = ca.issue(**issued)
    with stub(say(), pair=pair) as server, pytest.raises(kind) as caught:
        fetch(server.url())
    assert re.search(words, f"{caught.value.message} {caught.value.hint}")
    assert server.requests == []


def test_C18_a_box_that_wakes_up_in_2019_blames_its_clock_and_tries_again(ca, tmp_path):
    program = (
        "import sys; from pathlib import Path; from datetime import datetime, UTC\n"
        "from appliance.sources.http import HttpSettings, pull\n"
        "from appliance.core.errors import SourceUnreachable\n"
        "from appliance.core.ports import Watch\n"
        "wanted = HttpSettings('crm', sys.argv[1], ca_file=sys.argv[2])\n"
        "try: pull(wanted, Path(sys.argv[3]), datetime.now(UTC), (), Watch())\n"
        "except SourceUnreachable as error: print(error.retry, error.message, error.hint)\n"
    )
    with stub(say(), ca) as server:
        argv = ["faketime", "2019-01-01 12:00:00", sys.executable, "-c", program]
        argv += [server.url(), str(ca.certificate), str(tmp_path)]
        said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert re.search(r"^True .* is not valid yet\. Check that the date and time", said)


def test_C17_an_unknown_authority_is_refused_and_a_named_one_adds_to_the_known(
    fetch, ca, tmp_path, monkeypatch
):
    own = Authority(tmp_path / "own")
    with stub(say(), own) as theirs, stub(say(), ca) as known:
        with pytest.raises(SourceRefused, match="authority") as caught:
            fetch(theirs.url(), ca_file="")
        assert "ca_file" in caught.value.hint
        monkeypatch.setenv("SSL_CERT_FILE", str(ca.certificate))  # stands for the system's
        both = {"ca_file": str(own.certificate)}
        assert fetch(theirs.url(), **both) is not None
        assert fetch(known.url(), **both) is not None


def test_a_certificate_that_signed_itself_is_refused(fetch, tmp_path):
    with (
        stub(say(), pair=selfsigned(tmp_path)) as server,
        pytest.raises(SourceRefused, match="signed by the server itself"),
    ):
        fetch(server.url())


def test_C17_old_protocols_are_not_spoken(tmp_path):
    assert calling._trust("").minimum_version >= ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_useless_authority_file_is_said(fetch, tmp_path, content: bytes | None):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceRefused, match="certificate file"):
        fetch("https://localhost:1/x", ca_file=str(path))


def test_C17_nothing_in_the_package_switches_verification_off():
    package = Path(http.__file__).parent.parent
    off = re.compile(
        r"verify\s*=\s*False|CERT_NONE|CERT_OPTIONAL|_create_unverified|check_hostname\s*="
    )
    guilty = [path for path in package.rglob("*.py") if off.search(path.read_text())]
    assert guilty == []


# --- connection faults ------------------------------------------------------------------------


def test_a_server_that_is_not_there_is_said(fetch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(SourceUnreachable, match="cannot be reached"):
            fetch(f"https://127.0.0.1:{closed.getsockname()[1]}/x")


def test_a_name_that_nobody_knows_is_said(fetch):
    with pytest.raises(SourceUnreachable, match="not known"):
        fetch("https://crm.invalid/export.csv")


def test_a_server_that_does_not_speak_tls_or_http_is_said(fetch, ca):
    with stub(say()) as plain, pytest.raises(SourceUnreachable, match="protected connection"):
        fetch(f"https://localhost:{plain.port}/x")

    def babble(request: Request) -> None:
        request.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n" * 3)

    with stub(babble, ca) as server, pytest.raises(SourceUnreachable):
        fetch(server.url())


# --- room, bombs, encodings -------------------------------------------------------------------


def test_an_export_beyond_its_limit_is_refused_before_a_byte_is_fetched(fetch, ca):
    with stub(say(), ca) as server, pytest.raises(ExportUnsafe, match="larger"):
        fetch(server.url(), max_bytes=1000)
    with stub(say(), ca) as server, pytest.raises(DiskFull):
        fetch(server.url(), reserve_bytes=1 << 60)


def test_an_export_of_unknown_size_is_stopped_at_its_limit(fetch, ca):
    with (
        stub(lambda request: chunked(request, CSV, end=True), ca) as server,
        pytest.raises(ExportUnsafe, match="larger"),
    ):
        fetch(server.url(), max_bytes=200_000)


def test_a_disk_that_fills_up_is_not_taken_for_a_broken_connection(fetch, ca, monkeypatch):
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with stub(say(ETag='"1"'), ca) as server:
        monkeypatch.setattr("appliance.sources.landing.os.write", full)
        with pytest.raises(DiskFull):
            fetch(server.url())
        assert len(server.requests) == 1


def test_compression_nobody_asked_for_is_undone_within_the_limits(fetch, ca):
    packed = gzip.compress(CSV)
    with stub(say(body=packed, Content_Encoding="gzip"), ca) as server:
        assert only(fetch(server.url()))[1] == CSV
        assert server.requests[0].headers["Accept-Encoding"] == "identity"
        assert only(fetch(server.url("/a.csv.gz")))[1] == packed, "it was the file's own"
    bomb = gzip.compress(bytes(50 << 20))
    for body, words in [(bomb, "larger"), (packed[:-9], "garbled"), (packed + b"x", "garbled")]:
        with (
            stub(say(body=body, Content_Encoding="gzip"), ca) as server,
            pytest.raises(ExportUnsafe, match=words),
        ):
            fetch(server.url(), max_bytes=10 << 20)
    with stub(say(Content_Encoding="br"), ca) as server, pytest.raises(ExportUnsafe):
        fetch(server.url())


# --- C21: secrets -----------------------------------------------------------------------------


@pytest.mark.parametrize("login", LOGINS)
@pytest.mark.parametrize("status", [302, 401, 404, 418, 500, 200, 999])
def test_C21_no_secret_is_in_any_error(fetch, ca, login: str, status: int):
    def play(request: Request) -> None:
        if status == 999:  # what a broken server says comes back in the library's own words
            request.wfile.write(f"{request.path} {request.headers}\r\n\r\n".encode())
        else:
            echo = f"<html>{request.path} {request.headers}".encode()
            request.answer(status, echo, Location=f"https://else.example/?k={CANARY}")

    with stub(play, ca) as server:
        url = server.url(f"/export.csv?signature={CANARY}")
        with pytest.raises(ApplianceError) as caught:
            fetch(url, auth=LOGINS[login])
    error = caught.value
    told = [error.message, error.hint, error.detail, repr(error)]
    told += traceback.format_exception(error)
    told.append(repr(HttpSettings("crm", url, LOGINS[login])))
    assert CANARY not in "".join(told)


@pytest.mark.parametrize("secret", ["line\nbreak", "ключ", "nul\0"])
def test_C21_a_secret_that_cannot_be_sent_is_not_shown_either(fetch, secret: str):
    with pytest.raises(SourceRefused) as caught:
        fetch("https://localhost:1/x", auth={"kind": "bearer", "token": secret})
    assert secret not in "".join(traceback.format_exception(caught.value))


def test_no_proxy_and_no_netrc_is_used(fetch, ca, monkeypatch, tmp_path):
    (tmp_path / ".netrc").write_text("default login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    with stub(say(), ca) as server:
        assert fetch(server.url()) is not None
        assert "Authorization" not in server.requests[0].headers


def test_settings_cross_to_a_child_as_plain_values():
    import dataclasses
    import json

    settings = HttpSettings("crm", "https://x", {"kind": "none"}, hosts=("a",))
    again = HttpSettings(**json.loads(json.dumps(dataclasses.asdict(settings))))
    assert (again.name, list(again.hosts)) == ("crm", ["a"])


def test_a_pull_that_is_given_up_leaves_nobody_reading(fetch, ca):
    """The server holds the line; our own limit ends the pull, not its silence."""
    ended = threading.Event()

    def play(request: Request) -> None:
        request.answer(200, CSV[:600_000], Content_Length="", Transfer_Encoding="")
        request.wfile.flush()
        ended.wait(10)

    before = threading.active_count()
    with stub(play, ca) as server:
        started = monotonic()
        with pytest.raises(ExportUnsafe, match="larger"):
            fetch(server.url(), max_bytes=100_000, idle_seconds=8.0)
        assert monotonic() - started < 4
        ended.set()
    assert threading.active_count() == before


def test_a_pull_in_a_child_brings_the_same_and_raises_the_same(https, served, ca, tmp_path):
    from appliance.sources.child import ChildSource
    from appliance.system import process

    (served / "a.csv").write_bytes(CSV)
    auth = {"kind": "bearer", "token": https.token}
    plain = {"ca_file": str(ca.certificate), "reserve_bytes": 0}
    for path, wanted in [("/bearer/a.csv", None), ("/bearer/b.csv", ExportNotReady)]:
        settings = {"name": "crm", "url": https.url(path), "auth": auth, **plain}
        source = ChildSource("crm", "http", settings, process.Limits())
        into = tmp_path / f"into-{wanted}"
        into.mkdir()
        if wanted is None:
            assert only(source.pull(into, NOW, (), Watch()))[1] == CSV
        else:
            with pytest.raises(wanted) as caught:
                source.pull(into, NOW, (), Watch())
            assert https.token not in caught.value.detail


@given(st.text(max_size=80), st.sampled_from(["", "https://", "//", "https://a@", "/", "?"]))
@example("[::1%25eth0]:99999", "https://")
@example("a" * 300, "https://")
def test_whatever_a_redirect_says_it_is_an_address_or_refused(text: str, start: str):
    home = origins.read("https://crm.example.org/export.csv")
    reach = origins.Reach(home, ("*.example.net",))
    with suppress(SourceRefused):
        onward = origins.read(start + text, home)
        reach.check(onward, home)
        assert onward.scheme == "https"
        assert onward.host == "crm.example.org" or onward.host.endswith(".example.net")


@given(st.text(max_size=80))
@example("attachment; filename*=idna'';x")
@example("1" * 5000)
def test_whatever_a_header_says_it_is_understood_or_passed_over(text: str):
    home = origins.read("https://crm.example.org/export.csv")
    names = ("Content-Disposition", "Retry-After", "Date", "Last-Modified", "ETag")
    headers = dict.fromkeys(names, text)
    assert answers.file_name(headers, home, home)
    assert answers.validator(headers, home) is not None
    wait = answers.retry_after(headers)
    assert wait is None or timedelta() <= wait <= timedelta(hours=1)


@pytest.mark.parametrize(
    "told",
    [
        "",
        "bytes 5-9/*",
        "bytes */10",
        "bytes 4-9/10",
        "bytes 5-8/10",
        "x 5-9/10",
        "bytes 5-9/11",
        "bytes " + "5" * 5000 + "-9/10",
        "bytes -5-9/10",
        "bytes 5-9/10, 0-1/2",
    ],
)
def test_C12_a_part_that_is_not_the_rest_is_not_taken(fetch, ca, told: str):
    def play(request: Request) -> None:
        if "Range" in request.headers:
            request.answer(206, b"56789", ETag='"1"', Content_Range=told)
        elif len(request.server.stub.requests) == 1:
            request.answer(200, b"a,b,c"[:5], ETag='"1"', Content_Length="10")
            request.cut()
        else:
            request.answer(200, b"whole,new\n", ETag='"1"')

    with stub(play, ca) as server:
        assert only(fetch(server.url()))[1] == b"whole,new\n"

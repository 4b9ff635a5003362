"""What a pull over HTTP promises, against each web server that a vendor may run."""

from __future__ import annotations

import gzip
import hashlib
import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance.core.errors import ApplianceError, ExportNotReady, SourceRefused
from appliance.core.model import Export, SeenFile
from appliance.core.ports import Watch
from appliance.sources import http, receiving
from appliance.sources.http import HttpSettings
from appliance.sources.sight import Sight
from tests.real_servers.cutting import line
from tests.real_servers.web import ALL, Web

NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)
LONG_AGO = 1_700_000_000
CSV = b"Record Id,Name\r\n" + b"".join(b"zcrm_%d,Someone %d\r\n" % (n, n) for n in range(40_000))
NOISE = random.Random(1).randbytes(64_000_001)


@pytest.fixture(scope="module", params=ALL)
def running(request, tmp_path_factory, ca) -> Iterator[tuple[Web, Path]]:
    folder = tmp_path_factory.mktemp("server")
    root = tmp_path_factory.mktemp("served")
    with ALL[request.param](folder, root, ca) as server:
        yield server, root


@pytest.fixture
def server(running) -> Web:
    return running[0]


@pytest.fixture
def served(running) -> Iterator[Path]:
    """The folder that the server shows, empty at the beginning of each test."""
    yield running[1]
    for each in running[1].iterdir():
        each.unlink()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch) -> None:
    monkeypatch.setattr(receiving, "_PAUSE", timedelta(milliseconds=1))


@pytest.fixture
def fetch(tmp_path: Path, ca):
    count = iter(range(1000))

    def fetch(url: str, seen: tuple[SeenFile, ...] = (), **settings) -> Export | None:
        into = tmp_path / f"into-{next(count)}"
        into.mkdir()
        given = {"ca_file": str(ca.certificate), "reserve_bytes": 0, "idle_seconds": 10.0}
        try:
            return http.pull(HttpSettings("crm", url, **given | settings), into, NOW, seen, Watch())
        except ApplianceError:
            assert list(into.iterdir()) == [], "nothing of a failed pull is kept"
            raise

    return fetch


def put(served: Path, name: str, content: bytes = CSV, at: int = LONG_AGO) -> None:
    (served / name).write_bytes(content)
    os.utime(served / name, (at, at))


def only(export: Export | None) -> tuple[str, bytes]:
    assert export is not None
    (file,) = export.files
    data = file.path.read_bytes()
    assert (file.size_bytes, file.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    return file.name, data


def remembered(export: Export | None) -> tuple[SeenFile, ...]:
    assert export is not None
    (file,) = export.files
    return (SeenFile(file.name, file.size_bytes, file.sha256, file.modified, file.validator),)


def login(server: Web, **changes: str) -> dict[str, str]:
    return {"kind": "basic", "user": server.user, "password": server.password} | changes


def test_the_export_comes_with_its_name_and_the_server_s_time(server, served, fetch):
    put(served, "Kunden & Käufer.csv")
    export = fetch(server.url("/open/Kunden%20&%20K%C3%A4ufer.csv"))
    assert only(export) == ("Kunden & Käufer.csv", CSV)
    assert export.files[0].modified == datetime.fromtimestamp(LONG_AGO, UTC)
    assert abs(export.server_time - datetime.now(UTC)) < timedelta(seconds=5)


def test_a_right_password_is_let_in_and_a_wrong_one_refused(server, served, fetch):
    put(served, "a.csv")
    url = server.url("/basic/a.csv")
    assert only(fetch(url, auth=login(server)))[1] == CSV
    for auth in (login(server, password="guessed"), login(server, user="x"), {"kind": "none"}):
        with pytest.raises(SourceRefused) as told:
            fetch(url, auth=auth)
        assert str(told.value) == "localhost does not let us in."
        assert told.value.hint == "Check the login of this source."


def test_a_server_that_nobody_vouches_for_is_refused(server, served, fetch):
    put(served, "a.csv")
    with pytest.raises(SourceRefused, match="from an authority that this box does not know"):
        fetch(server.url("/open/a.csv"), ca_file="")


@pytest.mark.parametrize("place", ["open", "basic", "packed"])
def test_what_did_not_change_is_not_fetched_again_and_what_did_is(server, served, fetch, place):
    put(served, "a.csv")
    url, auth = server.url(f"/{place}/a.csv"), login(server)
    first = remembered(fetch(url, auth=auth))
    again = fetch(url, first, auth=auth)
    assert (again is None) == (place != "packed" or server.knows_what_it_packed)
    put(served, "a.csv", CSV + b"zcrm_x,New\r\n", LONG_AGO + 1)
    assert only(fetch(url, first, auth=auth))[1] == CSV + b"zcrm_x,New\r\n"


def test_64_MB_over_a_line_that_breaks_twice_come_whole_and_once(server, served, fetch):
    put(served, "large.bin", NOISE)
    with line(server.port, 20_000_000, 30_000_000) as cut:
        _, data = only(fetch(server.url("/basic/large.bin", cut.port), auth=login(server)))
        assert data == NOISE
        assert cut.carried_bytes < 1.05 * len(NOISE), "it went on where it broke off"


def test_an_export_made_anew_during_the_break_is_fetched_from_its_beginning(server, served, fetch):
    put(served, "a.bin", NOISE[:3_000_000])
    anew = NOISE[-3_000_000:]
    change = lambda: put(served, "a.bin", anew, LONG_AGO + 100)  # noqa: E731 - read where it is used
    with line(server.port, 1_000_000, when_cut=change) as cut:
        assert only(fetch(server.url("/open/a.bin", cut.port)))[1] == anew


def test_one_that_was_written_just_now_comes_whole_over_a_line_that_breaks(server, served, fetch):
    (served / "a.bin").write_bytes(NOISE[:3_000_000])  # Apache vouches for no byte of it yet
    with line(server.port, 1_000_000) as cut:
        assert only(fetch(server.url("/open/a.bin", cut.port)))[1] == NOISE[:3_000_000]


def test_what_is_packed_unasked_comes_unpacked(server, served, fetch):
    put(served, "a.csv")
    url = "/packed/a.csv"
    assert only(fetch(server.url(url))) == ("a.csv", CSV)
    with line(server.port, 40_000) as cut:
        assert only(fetch(server.url(url, cut.port))) == ("a.csv", CSV)


def test_a_file_that_is_gzip_stays_gzip(server, served, fetch):
    packed = gzip.compress(CSV)
    put(served, "a.csv.gz", packed)
    assert only(fetch(server.url("/open/a.csv.gz"))) == ("a.csv.gz", packed)


def test_nothing_at_the_address_is_said_so(server, served, fetch):
    with pytest.raises(ExportNotReady) as told:
        fetch(server.url("/open/none.csv"))
    assert str(told.value) == "There is nothing at this address on localhost."
    assert "the address of this source is wrong" in told.value.hint


def test_a_redirect_is_followed(server, served, fetch):
    put(served, "a.csv")
    export = fetch(server.url("/moved/a.csv"))
    assert only(export) == ("a.csv", CSV)
    assert fetch(server.url("/moved/a.csv"), remembered(export)) is None


def test_a_look_tells_what_a_pull_would_take(server, served, ca):
    put(served, "a.csv")
    sight = Sight()
    settings = HttpSettings("crm", server.url("/open/a.csv"), ca_file=str(ca.certificate))
    http.look(settings, sight, Watch())
    assert [(each["name"], each["size_bytes"]) for each in sight.files] == [("a.csv", len(CSV))]

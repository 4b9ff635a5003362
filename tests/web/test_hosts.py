"""Which hosts are the box itself."""

from __future__ import annotations

import socket

import pytest

from appliance.web import hosts
from appliance.web.office import Office
from appliance.web.people import People
from tests.web.people import ORIGIN

OURS = socket.gethostname().lower()
HERE = "192.168.1.20"
FOREIGN = (
    "evil.example",
    "evil.example:8080",
    f"{OURS}.evil.example",
    f"evil.example.{OURS}",
    f"{HERE}.evil.example",
    f"evil@{HERE}",
    "192.168.1.21",
    "0.0.0.0",
    "127.0.0.1",
    "[::1]",
    "3232235796",
    "0xc0a80114",
    "0300.0250.01.024",
    f"{HERE}, evil.example",
    f"{HERE}:8080:80",
    f"{HERE}:",
    "localhost.evil.example",
    f"{OURS}.",
    "",
    " ",
    "[::ffff:192.168.1.21]",
    "\u0131.example",
)


@pytest.mark.parametrize("host", FOREIGN)
def test_E5_a_foreign_host_is_turned_away(visitor, box, host):
    as_sent = {"Host": host.encode("utf-8").decode("latin-1")}
    came_to = {hosts.HERE: HERE}
    answer = visitor.get("/sign-in", base_url=ORIGIN, headers=as_sent, environ_overrides=came_to)
    assert answer.status_code == 400
    assert "evil" not in answer.text
    assert "Set-Cookie" not in answer.headers
    assert box.asked == []


@pytest.mark.parametrize(
    "host",
    [OURS, OURS.upper(), f"{OURS}:8080", f"{OURS}.local", "localhost", HERE, f"{HERE}:8080"],
)
def test_E5_the_box_s_own_names_and_address_are_let_in(visitor, host):
    answer = visitor.get(
        "/sign-in", base_url=ORIGIN, headers={"Host": host}, environ_overrides={hosts.HERE: HERE}
    )
    assert answer.status_code == 200


@pytest.mark.parametrize("here", ["10.0.0.5", "fe80::1%eth0", "::ffff:10.0.0.5"])
def test_E5_an_address_that_the_box_is_given_counts_at_once(here):
    shown = hosts.plainly(here)
    written = f"[{shown}]" if ":" in shown else shown
    assert hosts.is_ours(f"{written}:8080", here)
    assert not hosts.is_ours(f"{written}:8080", "10.0.0.6")


def test_E5_a_name_that_the_box_is_given_counts_at_once(monkeypatch, tmp_path):
    assert not hosts.is_ours("renamed.local", HERE)
    (tmp_path / "hostname").write_text("renamed\n")
    monkeypatch.setattr(hosts, "_HOST_NAME", tmp_path / "hostname")
    assert hosts.is_ours("renamed.local", HERE)
    assert hosts.is_ours("renamed:8080", HERE)


def test_E5_a_name_that_the_office_added_counts(box, tmp_path):
    from appliance.web import create_app

    names = ["Backup.Example.org"]
    app = create_app(box, People(tmp_path), lambda: Office(names=tuple(names)))
    asked = {"base_url": ORIGIN, "headers": {"Host": "backup.example.org"}}
    assert app.test_client().get("/claim/", **asked).status_code == 200
    names.clear()
    assert app.test_client().get("/claim/", **asked).status_code == 400


def test_plain_http_is_sent_to_https_and_told_nothing(visitor, box):
    for path in ("/", "/sign-in", "/static/style.css", "/nothing"):
        answer = visitor.get(path, base_url="http://localhost:8080")
        assert (answer.status_code, answer.location) == (302, f"https://localhost:8080{path}")
    assert box.asked == []


def test_a_question_for_the_headers_alone_gets_no_body(visitor):
    answer = visitor.head("/alive", base_url=ORIGIN)
    assert (answer.status_code, answer.data) == (200, b"")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_whether_it_is_alive_is_all_that_is_told(visitor, scheme):
    answer = visitor.get("/alive", base_url=f"{scheme}://localhost")
    assert (answer.status_code, answer.text) == (200, "alive\n")
    assert "Set-Cookie" not in answer.headers


def test_a_form_over_plain_http_is_not_taken(visitor, box):
    answer = visitor.post("/sign-in", data={"password": "x"}, base_url="http://localhost")
    assert answer.status_code == 302
    assert box.asked == []

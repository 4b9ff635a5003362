"""The page at its port: TLS, plain HTTP, and whoever is slow, rude or many."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

import pytest

from appliance.core.address import Address
from appliance.core.errors import ApplianceError
from appliance.web import serving
from tests.system.processes import until
from tests.web.people import PASSWORD
from tests.web.real import answer, asked, is_closed, plain, request, served, tls

HELLO = b"\x16\x03\x01"
"""How a TLS handshake begins."""


@pytest.fixture
def server(app, tmp_path):
    with served(app, tmp_path) as server:
        yield server


@pytest.fixture
def hasty(monkeypatch):
    """Slow clients are given up soon."""
    monkeypatch.setattr(serving, "REQUEST_WITHIN_SECONDS", 1.0)
    monkeypatch.setattr(serving, "IDLE_SECONDS", 1.5)
    monkeypatch.setattr(serving, "STALLED_SECONDS", 1.0)


def quickly(server, **more):
    """Ask for a page, and have it well before anybody who hangs is given up."""
    began = monotonic()
    status, _, _ = asked(server, **more)
    assert status == 200
    return monotonic() - began


def test_one_port_speaks_tls_and_sends_plain_http_there(server):
    status, headers, body = asked(server)
    assert (status, b"<h1>Sign in</h1>" in body) == (200, True)
    assert "server" not in headers
    assert "secure" in headers["set-cookie"].lower()
    with plain(server) as connection:
        host = f"127.0.0.1:{server.port}"
        connection.sendall(request("/activity/", host=host))
        status, headers, _ = answer(connection)
        assert (status, headers["location"]) == (302, f"https://{host}/activity/")
        assert "set-cookie" not in headers
        connection.sendall(request("/alive", host=host))
        assert answer(connection)[::2] == (200, b"alive\n")


def test_many_requests_go_over_one_connection_also_all_at_once(server):
    with tls(server) as connection:
        for _ in range(3):
            connection.sendall(request())
            assert answer(connection)[0] == 200
        connection.sendall(request("/alive") * 5)
        body = b""
        while body.count(b"alive\n") < 5:
            body += connection.recv(65536)


def test_a_person_signs_in_over_it(server, box):
    with tls(server) as connection:
        connection.sendall(request())
        _, headers, page = answer(connection)
        cookie = headers["set-cookie"].partition(";")[0]
        token = page.partition(b'name="csrf_token" value="')[2].partition(b'"')[0].decode()
        form = f"csrf_token={token}&password={PASSWORD.replace(' ', '+')}".encode()
        connection.sendall(
            request(
                "/sign-in",
                "POST",
                f"Cookie: {cookie}",
                "Origin: https://localhost",
                "Content-Type: application/x-www-form-urlencoded",
                "X-Forwarded-For: 1.2.3.4",
                body=form,
            )
        )
        status, headers, _ = answer(connection)
    assert (status, headers["location"]) == (302, "/")
    assert box.asked[-1][2].endswith("from 127.0.0.1.")


@pytest.mark.parametrize("lines", [(), ("Host: evil.example",), ("Host: 127.0.0.1", "Host: x")])
def test_E5_no_host_another_host_and_two_hosts_are_turned_away(server, lines):
    with tls(server) as connection:
        connection.sendall("\r\n".join(["GET / HTTP/1.1", *lines, "", ""]).encode())
        status, _, body = answer(connection)
    assert (status, b"evil" in body) == (400, False)


def test_E5_the_address_that_one_came_to_is_the_box_s_and_no_other(server):
    assert asked(server, "/alive", host="127.0.0.1")[0] == 200
    assert asked(server, "/alive", host="127.0.0.2")[0] == 400


@pytest.mark.parametrize("beginning", [b"", HELLO, HELLO[:1], b"G", b"GET / HTTP/1.1\r\nHost: x"])
def test_E11_a_hundred_connections_that_hang_hold_up_nobody(server, hasty, beginning):
    with contextlib.ExitStack() as held:
        hanging = [
            held.enter_context(plain(server, f"127.0.0.{2 + number % 20}")) for number in range(100)
        ]
        for each in hanging:
            each.sendall(beginning)
        assert quickly(server) < 5
        assert all(is_closed(each) for each in hanging)


def test_E11_a_header_that_comes_drop_by_drop_is_given_up(server, hasty):
    with tls(server) as connection:
        began, ended = monotonic(), False
        for number in range(100):
            try:
                connection.sendall(
                    f"X-{number}: y\r\n".encode() if number else b"GET / HTTP/1.1\r\n"
                )
            except OSError:
                ended = True
                break
            connection.settimeout(0.1)
            with contextlib.suppress(TimeoutError):
                if not connection.recv(100):
                    ended = True
                    break
    assert ended
    assert monotonic() - began < 8


def test_E11_a_body_that_never_ends_is_given_up(server, hasty):
    with tls(server) as connection:
        connection.sendall(request("/sign-in", "POST", "Content-Length: 5000") + b"a=")
        assert is_closed(connection)


def test_E11_a_connection_without_use_is_closed(server, hasty):
    with tls(server) as connection:
        connection.sendall(request())
        assert answer(connection)[0] == 200
        assert is_closed(connection)


def test_E11_a_header_that_is_too_long_is_refused(server):
    with tls(server) as connection:
        connection.sendall(request("/", "GET", "X-Long: " + "y" * 16_500))
        status, headers, body = answer(connection)
    assert (status, b"yyyy" in body) == (431, False)
    assert headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize("size", [70_000, 3_000_000])
def test_E11_a_form_that_is_too_long_is_refused_in_words(server, size):
    with tls(server) as connection:
        connection.sendall(request("/sign-in", "POST", body=b"y" * size))
        status, _, body = answer(connection)
    assert (status, b"too much at once" in body) == (413, True)


def test_E11_a_form_without_end_is_refused(server):
    with tls(server) as connection:
        connection.sendall(request("/sign-in", "POST", "Transfer-Encoding: chunked"))
        status = 0
        with contextlib.suppress(OSError):
            for _ in range(200):
                connection.sendall(b"1000\r\n" + b"y" * 4096 + b"\r\n")
        with contextlib.suppress(OSError):
            status, _, _ = answer(connection)
    assert status in (0, 413)  # it may be cut off before it is heard
    assert quickly(server) < 5


@pytest.mark.parametrize(
    "line", ["GET / HTTP/1.1\r\n<script>: x", "<script> / HTTP/1.1", "GET\t/ HTTP/1.1", "\x00\x01"]
)
def test_E8_what_is_no_request_does_not_come_back(server, line):
    with tls(server) as connection:
        connection.sendall(f"{line}\r\nHost: localhost\r\n\r\n".encode("latin-1"))
        status, _, body = answer(connection)
    assert (status, b"script" in body) == (400, False)


def count(server):
    return len(server.active_channels)


def flood(server, held, sources):
    for source in sources:
        with contextlib.suppress(OSError):
            held.enter_context(plain(server, source)).sendall(HELLO)


def test_E11_a_thousand_connections_of_one_keep_out_nobody(server):
    with contextlib.ExitStack() as held:
        flood(server, held, ["127.0.0.9"] * 1000)
        assert quickly(server) < 5
        assert quickly(server, source="127.0.0.9") < 5
        assert until(lambda: count(server) <= serving.MOST_CONNECTIONS_OF_ONE + 2)


def test_E11_a_thousand_connections_of_many_keep_out_nobody(server):
    with contextlib.ExitStack() as held:
        flood(server, held, [f"127.0.{1 + n // 250}.{1 + n % 250}" for n in range(1000)])
        assert quickly(server) < 5
        assert until(lambda: count(server) <= serving.MOST_CONNECTIONS)


def test_E11_whoever_waits_for_an_answer_is_not_pushed_out(app, tmp_path):
    go_on = threading.Event()

    def slow(environ, start):
        go_on.wait(20)
        return app(environ, start)

    with served(slow, tmp_path) as server, tls(server) as waiting, contextlib.ExitStack() as held:
        waiting.sendall(request())
        assert until(lambda: any(each.requests for each in server.active_channels.values()))
        flood(server, held, ["127.0.0.1"] * 100)
        go_on.set()
        assert answer(waiting)[0] == 200


def test_E11_fifty_at_once_are_all_answered(server):
    with ThreadPoolExecutor(50) as pool:
        sources = [f"127.0.0.{2 + number % 30}" for number in range(400)]
        statuses = list(pool.map(lambda source: asked(server, source=source)[0], sources))
    assert set(statuses) == {200}


RUDE = {
    "a handshake of noise": HELLO + os.urandom(500),
    "noise": bytes(range(256)) * 4,
    "an old handshake": b"\x16\x02\x00\x00\x05hello",
    "half a record": HELLO + b"\x40\x00" + b"x" * 100,
}


@pytest.mark.parametrize("what", RUDE)
def test_E11_noise_ends_its_own_connection_and_nothing_else(server, what):
    with plain(server) as connection:
        connection.sendall(RUDE[what])
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        assert is_closed(connection)
    assert quickly(server) < 5


@pytest.mark.parametrize("after", [b"", HELLO, request()])
def test_E11_a_connection_that_is_torn_down_ends_nothing_else(server, after):
    for make in (plain, tls):
        if make is tls and after == HELLO:
            continue
        connection = make(server)
        connection.sendall(after)
        at_once = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        connection.close()
    assert quickly(server) < 5
    assert until(lambda: count(server) == 0)


SIZE = 12 * 1024 * 1024
PIECE = bytes(range(256)) * 256


def large(ended):
    """A download that is made while it is sent, as a restore is."""

    def page(environ, start):
        if environ["PATH_INFO"] == "/alive":
            start("200 OK", [("Content-Length", "6")])
            return [b"alive\n"]
        start("200 OK", [("Content-Length", str(SIZE))])
        return pieces()

    def pieces():
        try:
            for _ in range(SIZE // len(PIECE)):
                yield PIECE
        finally:
            ended.set()

    return page


def test_a_large_download_arrives_whole_and_is_never_whole_in_memory(tmp_path):
    with served(large(threading.Event()), tmp_path) as server, tls(server) as connection:
        connection.sendall(request("/large"))
        status, _, _ = connection.recv(12), None, None
        digest, left, most = hashlib.sha256(), None, 0
        body = b""
        while b"\r\n\r\n" not in body:
            body += connection.recv(1000)
        body = body.partition(b"\r\n\r\n")[2]
        digest.update(body)
        left = SIZE - len(body)
        while left:
            piece = connection.recv(100_000)
            assert piece
            digest.update(piece)
            left -= len(piece)
            most = max(most, *(c.total_outbufs_len for c in server.active_channels.values()))
    assert status.startswith(b"HTTP/1.1 200")
    assert digest.hexdigest() == hashlib.sha256(PIECE * (SIZE // len(PIECE))).hexdigest()
    assert most <= 2 * serving._AWAITED_BYTES


def test_E11_downloads_that_nobody_takes_are_given_up_and_free_their_threads(tmp_path, hasty):
    ended = threading.Event()
    with served(large(ended), tmp_path) as server, contextlib.ExitStack() as held:
        for _ in range(serving.THREADS):
            held.enter_context(tls(server)).sendall(request("/large"))
        assert asked(server, "/alive")[2] == b"alive\n"
        assert until(ended.is_set)


def test_D14_threads_that_all_hang_are_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(serving, "STUCK_SECONDS", 1.0)
    monkeypatch.setattr(serving, "_TURN_SECONDS", 0.1)
    go_on, beats = threading.Event(), []

    def hanging(environ, start):
        go_on.wait(20)
        start("200 OK", [("Content-Length", "0")])
        return []

    with served(hanging, tmp_path, each_second=lambda: beats.append(monotonic())) as server:
        assert until(lambda: len(beats) > 3)
        with contextlib.ExitStack() as held:
            for _ in range(serving.THREADS + 1):
                held.enter_context(tls(server)).sendall(request())
            assert until(lambda: server.task_dispatcher.queue)
            assert until(lambda: monotonic() - beats[-1] > 1.0)
            go_on.set()
            assert until(lambda: monotonic() - beats[-1] < 0.5)


def test_an_address_that_is_taken_is_said_in_words(server, app, tmp_path):
    with pytest.raises(ApplianceError, match="cannot be served"):
        serving.Server(app, None, Address("127.0.0.1", server.port))


def test_ipv6_and_ipv4_are_served_together_where_it_is_asked_for(app, tmp_path):
    try:
        with served(app, tmp_path, "::") as server:
            assert asked(server, host="127.0.0.1")[0] == 200
            with socket.create_connection(("::1", server.port), 5) as connection:
                connection.sendall(request("/alive", host=f"[::1]:{server.port}"))
                assert answer(connection)[0] == 200
    except ApplianceError:
        pytest.skip("no IPv6 here")

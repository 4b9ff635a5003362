"""Letters go out by real SMTP and real HTTP, and nothing of an address is seen on the way."""

from __future__ import annotations

import os
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from appliance.core.outbox import TAKEN, WHY
from appliance.messaging.child import Post, deliver
from appliance.system import process
from tests.messaging.servers import PASSWORD, hook, mail, silent
from tests.servers import free_port
from tests.sources.selfsigned import selfsigned

LETTER = Post(7, "Front office: please look", "412 contacts are gone.\nWhat to do: look.")


def test_a_mail_arrives_as_plain_text() -> None:
    with mail() as server:
        assert list(deliver(server.address(), [LETTER])) == [(7, TAKEN)]
    (text,) = server.got
    assert "Subject: Front office: please look" in text
    assert "To: boss@shop.example" in text
    assert "412 contacts are gone." in text
    assert "text/html" not in text
    assert PASSWORD not in text


def test_a_web_hook_takes_several_letters_in_order() -> None:
    with hook() as server:
        told = list(deliver(server.address, [LETTER, Post(8, "second", "body")]))
    assert told == [(7, TAKEN), (8, TAKEN)]
    assert [each["title"] for each in server.got] == [LETTER.subject, "second"]
    assert server.got[0]["message"] == LETTER.body


def test_too_long_a_letter_goes_out_in_parts() -> None:
    with hook() as server:
        assert list(deliver(server.address, [Post(7, "long", "line\n" * 8000)])) == [(7, TAKEN)]
    assert len(server.got) == 2


@pytest.mark.parametrize("more", [";verify=no", " syslog://", ",syslog://"])
def test_no_second_address_or_setting_hides_behind_the_first(more: str) -> None:
    with hook() as server:
        assert list(deliver(server.address + more, [LETTER])) == [(7, "address")]
    assert server.got == []


BELIEVING = """
from appliance.messaging import __main__ as main
main.address.problem = lambda _: ""  # as if the library read an address otherwise than we do
made = [main._sender(each) for each in sys.argv[1:]]
print([each and len(each) for each in made])
"""


def test_what_the_library_makes_of_an_address_counts_too() -> None:
    told: list[str] = []
    tries = [
        "syslog://",
        "jsons://host/x?to=a;verify=no",
        "jsons://host/x",
    ]
    argv = [sys.executable, "-c", f"import sys\n{BELIEVING}", *tries]
    process.run(argv, on_line=told.append)
    assert told[-1] == "[None, None, 1]"


def test_after_one_that_was_not_taken_the_rest_is_not_tried() -> None:
    with hook() as server:
        server.answer = 500
        assert list(deliver(server.address, [LETTER, LETTER])) == [(7, "refused")]


def test_why_a_letter_was_not_taken_is_one_of_a_few_words() -> None:
    with mail() as server:
        assert list(deliver(server.address("wrong"), [LETTER])) == [(7, "login")]
        server.refuses = True
        assert list(deliver(server.address(), [LETTER])) == [(7, "refused")]
    assert list(deliver(server.address(), [LETTER])) == [(7, "absent")]
    with hook() as server:
        server.answer = 403
        assert list(deliver(server.address, [LETTER])) == [(7, "login")]
    assert list(deliver(f"json://127.0.0.1:{free_port()}/x", [LETTER])) == [(7, "absent")]
    assert list(deliver("file://x/etc/shadow", [LETTER])) == [(7, "address")]
    assert {"login", "refused", "absent", "address", "slow"} <= set(WHY)


def test_a_mail_server_whose_certificate_nobody_vouches_for_gets_no_password(
    tmp_path: Path,
) -> None:
    own, tls = selfsigned(tmp_path), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(own.certificate, own.key)
    with socket.create_server(("127.0.0.1", 0)) as listening, closing_thread(listening, tls) as got:
        port = listening.getsockname()[1]
        where = f"mailtos://u:{PASSWORD}@localhost:{port}/?mode=ssl&to=a@b.example"
        assert list(deliver(where, [LETTER])) == [(7, "certificate")]
    assert got == []


@contextmanager
def closing_thread(listening: socket.socket, tls: ssl.SSLContext) -> Iterator[list[bytes]]:
    """Take one connection by TLS; what came in by it."""
    got: list[bytes] = []

    def serve() -> None:
        plain = listening.accept()[0]
        with plain, suppress(OSError), tls.wrap_socket(plain, server_side=True) as safe:
            safe.sendall(b"220 hello\r\n")
            got.append(safe.recv(1000))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield got
    finally:
        thread.join(20)


def test_a_server_that_hangs_is_given_up() -> None:
    with silent() as address:
        assert list(deliver(address, [LETTER], timedelta(seconds=2))) == [(7, "slow")]


def test_the_child_has_the_address_neither_in_its_arguments_nor_in_its_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[str] = []

    def started(running: process.Running, *rest: object) -> None:
        init(running, *rest)
        place = Path(f"/proc/{running._process.pid}")
        seen.extend((place / each).read_bytes().decode() for each in ("cmdline", "environ"))

    init = process.Running.__init__
    monkeypatch.setattr(process.Running, "__init__", started)
    with mail() as server:
        assert list(deliver(server.address(), [LETTER])) == [(7, TAKEN)]
    assert len(seen) == 2
    assert "appliance.messaging" in seen[0]
    assert PASSWORD not in "".join(seen)
    assert "contacts" not in "".join(seen)
    assert PASSWORD not in "".join(f"{key}={value}" for key, value in os.environ.items())


def test_nothing_that_the_library_says_comes_out_of_the_child(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tails: list[str] = []
    real = process.Running.result

    def result(running: process.Running) -> process.Result:
        ended = real(running)
        tails.append(ended.tail)
        return ended

    monkeypatch.setattr(process.Running, "result", result)
    assert list(deliver(f"json://user:{PASSWORD}@127.0.0.1:{free_port()}/x", [LETTER]))
    with mail() as server:
        assert list(deliver(server.address(), [LETTER]))
    assert tails == [""]


def test_the_worker_loads_nothing_of_what_sends() -> None:
    said: list[str] = []
    ask = "import appliance.daemon, sys; print(*{'apprise', 'requests', 'yaml'} & set(sys.modules))"
    process.run([sys.executable, "-c", ask], on_line=said.append)
    assert said == [""]

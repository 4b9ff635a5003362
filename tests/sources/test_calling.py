"""Connections are used again where that is safe, and nothing piles up however many questions."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from urllib3.exceptions import HTTPError

from appliance.core.errors import SourceRefused
from appliance.sources.calling import Caller
from appliance.sources.origins import Reach, read

from .stub import Request, Stub, stub


@pytest.fixture
def caller(ca) -> Iterator[Caller]:
    with ExitStack() as stack:
        yield Caller(str(ca.certificate), 5, 5, stack)


@pytest.fixture(params=["https", "http"])
def server(request, ca, caller) -> Iterator[Stub]:
    def play(request: Request) -> None:
        request.close_connection = request.path == "/silently-closed"
        request.answer(200, b"x" * 100)

    with stub(play, ca if request.param == "https" else None) as server:
        yield server
        caller._close()  # it waits for those who are connected


def ask(caller: Caller, server: Stub, path: str = "/", method: str = "GET", **kwargs):
    address = read(server.url(path))
    reach = kwargs.pop("reach", None) or Reach(read(server.url()))
    return caller.call(address, {}, reach, method, **kwargs)


def connections(server: Stub) -> int:
    return len({request.client_address for request in server.requests})


def test_questions_one_after_the_other_go_over_one_connection(caller, server):
    for number in range(5):
        assert len(ask(caller, server, f"/{number}").read()) == 100
    assert (len(server.requests), connections(server)) == (5, 1)


def test_an_answer_that_was_not_read_gives_its_connection_up(caller, server):
    ask(caller, server).close()
    assert len(ask(caller, server).read()) == 100
    assert connections(server) == 2


def test_two_answers_at_once_do_not_get_mixed(caller, server):
    first, second = ask(caller, server), ask(caller, server)
    assert (len(first.read()), len(second.read())) == (100, 100)
    assert connections(server) == 2


def test_what_changes_something_never_goes_over_a_connection_that_idled(caller, server):
    ask(caller, server).read()
    for _ in range(2):
        ask(caller, server, method="POST", body=b"go").read()
    assert connections(server) == 3


def test_one_that_the_server_closed_without_a_word_is_made_anew(caller, server):
    for _ in range(20):
        assert len(ask(caller, server, "/silently-closed").read()) == 100
    assert (len(server.requests), connections(server)) == (20, 20)


def test_a_server_that_hangs_up_on_each_question_is_asked_once_for_each(caller, ca):
    with stub(Request.cut, ca) as server:
        for _ in range(2):
            with pytest.raises(HTTPError):
                ask(caller, server)
        assert len(server.requests) == 2


def test_a_connection_is_lent_only_within_the_bounds_it_was_judged_by(caller, ca):
    def play(request: Request) -> None:
        request.close_connection = False
        request.answer(200, b"x")

    with stub(play, ca) as server:
        ask(caller, server).read()
        elsewhere = Reach(read("https://crm.example.org/"), hosts=("local*",))
        with pytest.raises(SourceRefused, match="leads into the private network"):
            ask(caller, server, reach=elsewhere)
        assert len(server.requests) == 1
        caller._close()


def test_nothing_is_kept_of_answers_that_nobody_reads_any_more(caller, server):
    answers = weakref.WeakSet()
    for _ in range(20):
        answer = ask(caller, server)
        answer.read()
        answers.add(answer)
    del answer
    gc.collect()
    assert not answers

"""The fast lane keeps its order and its bounds whatever the answers look like."""

from __future__ import annotations

import random
import struct
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.core.errors import ApplianceError, Cancelled, SourceUnreachable
from appliance.core.ports import Watch
from appliance.sources.pipe import Inflow, Pipe


class Late(Exception):
    """What the wire raises when nothing came."""


class Wire:
    """Answers read requests from `content`, `most` bytes at a time, in an order of its own."""

    def __init__(self, content: bytes, most: int, order: random.Random) -> None:
        self.content, self.most, self.order = content, most, order
        self.answers: list[bytes] = []
        self.rest = b""
        self.under_way = self.most_under_way = 0

    def sendall(self, data: bytes) -> None:
        while data:
            size = struct.unpack(">I", data[:4])[0]
            kind, number, handle = struct.unpack(">BII", data[4:13])
            offset, length = struct.unpack(">QI", data[13 + handle : 4 + size])
            part = self.content[offset : offset + min(length, self.most)]
            body = struct.pack(">BII", 103, number, len(part)) + part
            self.answers.append(struct.pack(">I", len(body)) + body)
            data = data[4 + size :]
            assert kind == 5
        self.most_under_way = max(self.most_under_way, len(self.answers))

    def recv(self, nbytes: int) -> bytes:
        if not self.rest:
            self.rest = self.answers.pop(self.order.randrange(len(self.answers)))
        part = self.rest[: self.order.randint(1, nbytes)]
        self.rest = self.rest[len(part) :]
        return part


@given(st.binary(max_size=5000), st.integers(1, 100), st.integers(1, 100), st.randoms())
@settings(max_examples=60, deadline=None)
def test_any_order_and_any_size_of_answers_gives_the_content(content, most, block, order):
    wire = Wire(content, most, order)
    pipe = Pipe(wire, b"handle", len(content), block_bytes=block, depth=8, burst=4)
    assert b"".join(pipe) == content
    assert wire.most_under_way <= 8


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_nonsense_is_an_error_of_ours(nonsense):
    class Babble:
        said = nonsense

        def sendall(self, data):
            pass

        def recv(self, nbytes):
            part, self.said = self.said[:nbytes], self.said[nbytes:]
            return part

    with pytest.raises(ApplianceError):
        list(Pipe(Babble(), b"h", 1000))


def test_C7_a_server_that_ignores_its_window_does_not_fill_the_memory():
    inflow = Inflow(1000, Late, lambda: None)
    inflow.feed(bytes(1000))
    with pytest.raises(OverflowError):
        inflow.feed(b"x")
    assert len(inflow) == 1000


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=20), st.integers(1, 80))
@settings(deadline=None)
def test_an_inflow_gives_back_what_was_fed(chunks, size):
    inflow = Inflow(1 << 20, Late, lambda: None)
    for chunk in chunks:
        inflow.feed(chunk)
    inflow.close()
    read = []
    while part := inflow.read(size, 0.0):
        assert len(part) <= size
        read.append(part)
    assert b"".join(read) == b"".join(chunks)
    assert not inflow.read_ready()


def test_a_reader_is_woken_by_what_it_wants_by_the_end_and_by_its_time():
    inflow = Inflow(1 << 20, Late, lambda: None)
    with pytest.raises(Late):
        inflow.read(1, 0.01)
    inflow.feed(b"ab")
    assert inflow.read(3, 0.01) == b"ab"  # better some than none when the time is up
    feeder = threading.Thread(target=lambda: [inflow.feed(b"c") for _ in range(5)])
    feeder.start()
    assert inflow.read(5, 5) == b"ccccc"
    feeder.join()
    inflow.close()
    assert inflow.read(1, 5) == b""


def test_a_waiting_reader_can_be_cancelled():
    watch = Watch()
    watch.cancel.set()
    with pytest.raises(Cancelled):
        Inflow(10, Late, watch.check).read(1, 60)


def test_a_hung_up_wire_is_unreachable():
    class Gone:
        def sendall(self, data):
            pass

        def recv(self, nbytes):
            return b""

    with pytest.raises(SourceUnreachable, match="hung up"):
        list(Pipe(Gone(), b"h", 10))

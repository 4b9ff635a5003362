"""The frame itself, with a vendor of three routes."""

from __future__ import annotations

from datetime import timedelta

import pytest
import urllib3

from .office import MACHINES, office
from .serving import FILES, FOREIGN, Answer, premises
from .traps import REFUSES, SURVIVES, Trap
from .vendor import Vendor, route

MINUTES = timedelta(minutes=5)


class Small(Vendor):
    reactions = dict.fromkeys(Trap, SURVIVES) | {Trap.FOREIGN_REDIRECT: REFUSES}

    @route("GET", "/things/{thing}")
    def thing(self, question, thing):
        self.check_token(question, "read")
        return Answer.json({"thing": thing, "limit": question.query.get("limit")})

    @route("GET", "/file/{name}", FILES)
    def file(self, question, name):
        if not self.is_live(name):
            return Answer(403)
        return self.download(b"x" * 1000, "text/csv", lives=MINUTES)


def test_an_office_is_the_same_for_the_same_seed_and_another_for_another():
    assert office(3, 20) == office(3, 20)
    assert office(3, 20)["contacts"] != office(4, 20)["contacts"]
    assert any("\n" in row["remark"] for row in office(1)[MACHINES])


def test_a_token_is_needed_must_be_fresh_and_for_this(house, client):
    vendor = Small(house, office(1, 5))
    assert client.get("/things/7").status == 401
    client.headers["authorization"] = f"bearer {vendor.grant(MINUTES, ['write'])}"
    assert client.get("/things/7").status == 403
    client.headers["authorization"] = f"Bearer {vendor.grant(MINUTES, ['read'])}"
    assert client.get("/things/7", limit=3).json == {"thing": "7", "limit": "3"}
    vendor.advance(MINUTES)
    assert client.get("/things/7").status == 401
    assert [asked.answered for asked in vendor.asked] == [401, 403, 200, 401]
    assert client.post("/things/7").status == 405
    assert client.get("/things/7", role=FILES).status == 404


def test_a_link_dies_in_the_middle_of_its_download(house, client):
    vendor = Small(house, office(1, 5), {Trap.LINK_EXPIRES})
    name = vendor.link(MINUTES)
    with pytest.raises(urllib3.exceptions.ProtocolError):
        client.get(f"/file/{name}", role=FILES)
    assert client.get(f"/file/{name}", role=FILES).status == 403
    assert client.get(f"/file/{vendor.link(MINUTES)}", role=FILES).data == b"x" * 1000


def test_a_credential_that_is_shown_elsewhere_is_seen(house, client):
    vendor = Small(house, office(1, 5), {Trap.FOREIGN_REDIRECT})
    client.headers["x-key"] = vendor.secret("sesame-9")
    told = [client.get("/things/7") for _ in range(4)][-1]
    assert told.status == 302
    client.get(told.headers["location"])
    (shown,) = vendor.told_elsewhere()
    assert shown.role == FOREIGN
    assert told.headers["location"].startswith(house.url(FOREIGN))


def test_too_many_requests_are_told_the_date_once(house, client):
    vendor = Small(house, office(1, 5), {Trap.RETRY_DATE})
    client.headers["authorization"] = f"Bearer {vendor.grant(MINUTES, ['read'])}"
    told = [client.get("/things/7") for _ in range(5)]
    (late,) = [one for one in told if one.status == 429]
    assert late.headers["retry-after"].endswith("GMT")


def test_a_job_moves_by_looks_and_a_stuck_one_does_not(house):
    job = Small(house, office(1, 5)).start(["queued", "done"])
    assert [job.look() for _ in range(3)] == ["queued", "done", "done"]
    job = Small(house, office(1, 5), {Trap.STUCK}).start(["queued", "done"])
    assert [job.look() for _ in range(3)] == ["queued"] * 3


def test_what_breaks_in_a_vendor_is_told(ca, client):
    with premises(ca) as other:
        other.tenant = lambda _: 1 // 0
        with urllib3.PoolManager(ca_certs=str(ca.certificate), retries=False) as pool:
            assert pool.request("GET", other.url()).status == 500
        assert isinstance(other.faults[0], ZeroDivisionError)

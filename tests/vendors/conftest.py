from __future__ import annotations

import pytest

from appliance.demo.authority import Authority

from .client import Client
from .serving import Premises, premises


@pytest.fixture(scope="session")
def house(tmp_path_factory) -> Premises:
    """The servers; they stay up, and vendors move in one after another."""
    with premises(Authority(tmp_path_factory.mktemp("vendors-authority"))) as made:
        yield made
        assert made.faults == [], "a vendor broke"


@pytest.fixture
def client(house: Premises):
    """What a careful person with curl could ask, to see that a vendor behaves as its page says."""
    with Client(house) as made:
        yield made

from __future__ import annotations

from itertools import count

import pytest

from appliance.demo.authority import Authority

from .client import Client
from .serving import Premises, premises
from .unhurried import Puller, Start
from .vendor import Vendor


@pytest.fixture(scope="session")
def house(tmp_path_factory) -> Premises:
    """The servers; they stay up, and vendors move in one after another."""
    with premises(Authority(tmp_path_factory.mktemp("vendors-authority"))) as made:
        yield made


@pytest.fixture(autouse=True)
def no_vendor_breaks(house: Premises):
    """What goes wrong in a vendor is shown as what it is."""
    house.faults.clear()
    yield
    if house.faults:
        raise house.faults[0]


@pytest.fixture
def client(house: Premises):
    """What a careful person with curl could ask, to see that a vendor behaves as its page says."""
    with Client(house) as made:
        yield made


@pytest.fixture
def source(tmp_path, monkeypatch) -> Start:
    """A source that pulls a vendor by its recipe."""

    number = count()

    def source(vendor: Vendor) -> Puller:
        made = Puller(tmp_path / f"source-{next(number)}", vendor)
        made.put_into(monkeypatch)
        return made

    return source

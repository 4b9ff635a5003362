"""Pulls of address books for the tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from appliance.core.model import Export
from appliance.core.ports import Watch
from appliance.sources import carddav
from appliance.sources.carddav import CardDavSettings, fetching

from .contacts_stub import BASIC

NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)


@pytest.fixture
def bring(tmp_path, ca, monkeypatch):
    """Pull into a fresh folder; the keywords are CardDavSettings."""
    monkeypatch.setattr(fetching, "_PAUSE", timedelta(milliseconds=1))
    count = iter(range(1000))

    def bring(url, seen=(), watch=None, **settings) -> Export | None:
        into = tmp_path / f"into-{next(count)}"
        into.mkdir()
        told = {"auth": BASIC, "reserve_bytes": 0, "ca_file": str(ca.certificate)} | settings
        return carddav.pull(CardDavSettings("book", url, **told), into, NOW, seen, watch or Watch())

    return bring

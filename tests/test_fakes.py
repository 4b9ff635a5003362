"""The fakes pass the suites of the ports they stand in for."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.core.ports import Repository
from tests.contract.test_mirror import MirrorContract
from tests.contract.test_repository import RepositoryContract
from tests.fakes import FakeMirror, FakeRepository


class TestFakeRepository(RepositoryContract):
    @pytest.fixture
    def repository(self, tmp_path: Path) -> FakeRepository:
        return FakeRepository()


class TestFakeMirror(MirrorContract):
    @pytest.fixture
    def repository(self, tmp_path: Path) -> FakeRepository:
        return FakeRepository()

    @pytest.fixture
    def mirror(self, tmp_path: Path) -> FakeMirror:
        self.fake = FakeMirror()
        return self.fake

    def opened(self, fetched: Path, tmp_path: Path) -> Repository:
        return self.fake.opened(fetched)

"""The office every whole-box test begins with."""

import pytest

from tests.system.office import Office


@pytest.fixture
def office(tmp_path):
    folder = tmp_path / "office"
    folder.mkdir()
    return Office(folder)

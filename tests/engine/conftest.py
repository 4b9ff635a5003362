"""The box of fakes that the engine's tests work on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes import Box


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)

"""One backup in hand: what was to be erased is left out of it, or it is not used."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.core.errors import ApplianceError
from appliance.core.ports import Watch
from appliance.engine.restore import Wish, restore
from tests.engine.erasures import HER, ask, export, leaves_her, three_days
from tests.fakes import Box


@pytest.fixture
def box(box: Box) -> Box:
    three_days(box)
    return box


def test_a_backup_that_still_has_her_after_all_is_not_given_back(box: Box, tmp_path: Path) -> None:
    ask(box)
    box.exports.without = leaves_her(box)
    oldest, into = box.disk_a.archives()[0], tmp_path / "back"
    with pytest.raises(ApplianceError, match="still says what was to be erased") as refused:
        restore(box.kit, [box.disk_a], Wish("crm", archive=oldest.name), into, Watch())
    assert "choose another backup" in refused.value.hint
    assert not into.exists()


def test_a_backup_that_still_has_her_after_all_is_not_gone_on_from(box: Box) -> None:
    box.back_up(export("1,Ann", HER))
    ask(box)
    box.exports.without = leaves_her(box)
    box.exports.previous.clear()
    box.back_up(export("1,Ann"))
    _made_again, laid_out, *_ = box.exports.previous
    assert laid_out is None

"""Root reads and writes in a folder that the worker owns: nothing there leads it elsewhere."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from appliance.core.errors import ApplianceError
from appliance.pairing_request import CUT_OFF, REQUEST, RESULT, answer, answer_cut_off, take

WISH = {"node": "/dev/sda", "serial": "SN1", "asked": 100.0}


def ask(folder: Path, text: str | None = None) -> Path:
    file = folder / REQUEST
    file.write_text(json.dumps(WISH) if text is None else text)
    return file


def test_a_request_counts_once(tmp_path: Path) -> None:
    file = ask(tmp_path)
    assert take(tmp_path, 130.0) == WISH
    assert not file.exists()
    with pytest.raises(OSError, match=REQUEST):
        take(tmp_path, 130.0)


@pytest.mark.parametrize("now_seconds", [100.0 + 301, 99.0])
def test_a_request_that_nobody_confirmed_in_time_is_none_any_more(tmp_path, now_seconds) -> None:
    file = ask(tmp_path)
    with pytest.raises(ApplianceError, match="Nobody asks"):
        take(tmp_path, now_seconds)
    assert not file.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"asked": "x"}', "[" * 15_000])
def test_what_is_no_request_is_said_to_be_none(tmp_path: Path, text: str) -> None:
    ask(tmp_path, text)
    with pytest.raises((OSError, ValueError, KeyError, TypeError)):
        take(tmp_path, 130.0)


def test_a_request_that_is_a_link_or_a_pipe_is_not_read(tmp_path: Path) -> None:
    (other := tmp_path / "other").mkdir()
    ask(other)
    (tmp_path / REQUEST).symlink_to(other / REQUEST)
    with pytest.raises(OSError, match="symbolic links"):
        take(tmp_path, 130.0)
    (tmp_path / REQUEST).unlink()
    os.mkfifo(tmp_path / REQUEST)
    with pytest.raises(ValueError, match="Expecting value"):
        take(tmp_path, 130.0)


def test_an_answer_goes_into_no_file_that_somebody_laid_a_link_to(tmp_path: Path) -> None:
    shadow = tmp_path / "shadow"
    shadow.write_text("secret")
    shadow.chmod(0o600)
    (tmp_path / RESULT).symlink_to(shadow)
    answer(tmp_path, {"ok": True})
    assert json.loads((tmp_path / RESULT).read_text()) == {"ok": True}
    assert (tmp_path / RESULT).lstat().st_mode == stat.S_IFREG | 0o644
    assert (shadow.read_text(), shadow.stat().st_mode & 0o777) == ("secret", 0o600)


def test_a_folder_that_is_a_link_is_not_entered(tmp_path: Path) -> None:
    (real := tmp_path / "real").mkdir()
    (tmp_path / "run").symlink_to(real)
    with pytest.raises(OSError, match="run"):
        answer(tmp_path / "run", {"ok": True})
    assert list(real.iterdir()) == []


@pytest.mark.parametrize("how", ["timeout", "signal", "oom-kill", "core-dump"])
def test_whoever_was_killed_is_answered_for(tmp_path: Path, how: str) -> None:
    answer_cut_off(tmp_path, how)
    assert json.loads((tmp_path / RESULT).read_text()) == {"ok": False, "sentence": CUT_OFF}


@pytest.mark.parametrize("how", ["success", "exit-code"])
def test_whoever_ended_by_itself_has_answered(tmp_path: Path, how: str) -> None:
    answer_cut_off(tmp_path, how)
    assert not (tmp_path / RESULT).exists()

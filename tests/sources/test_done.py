"""What was archived is removed from `done/` in its time, and nothing else ever is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.core.ports import Watch
from appliance.sources import done, inbox
from appliance.sources.inbox import InboxSettings

NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)
DAY = timedelta(days=1)
KEEP = timedelta(days=30)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


def settings(folder: Path) -> InboxSettings:
    return InboxSettings("hand", str(folder), stable_for_seconds=0, reserve_bytes=0)


def archive(folder: Path, *names: str) -> None:
    """Drop files in and let a Run take them."""
    for name in names:
        (folder / name).write_text(name)
    stage = folder.parent / f"stage{len(list(folder.parent.iterdir()))}"
    stage.mkdir()
    inbox.settle(settings(folder), inbox.pull(settings(folder), stage, NOW, (), Watch()))


def tidy(folder: Path, now: datetime, *, clock_trusted: bool = True) -> tuple[str, ...]:
    return inbox.tidy(settings(folder), now, clock_trusted=clock_trusted)


def there(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "done").iterdir() if path.name != ".archived")


def test_what_was_archived_stays_for_its_time_and_then_goes(folder):
    archive(folder, "a.csv")
    assert tidy(folder, NOW) == ()
    archive(folder, "b.csv")
    assert tidy(folder, NOW + DAY) == ()
    assert tidy(folder, NOW + KEEP - timedelta(seconds=1)) == ()
    assert there(folder) == ["a.csv", "b.csv"]
    assert tidy(folder, NOW + KEEP) == ("a.csv",)
    assert there(folder) == ["b.csv"]
    assert tidy(folder, NOW + KEEP + DAY) == ("b.csv",)
    assert tidy(folder, NOW + KEEP + DAY) == ()


def test_A10_nothing_is_removed_while_the_clock_is_in_doubt(folder):
    archive(folder, "a.csv")
    tidy(folder, NOW)
    assert tidy(folder, NOW + 20 * 365 * DAY, clock_trusted=False) == ()
    assert there(folder) == ["a.csv"]


def test_A10_a_file_put_away_under_a_wrong_clock_is_not_old_when_the_clock_is_right_again(folder):
    archive(folder, "a.csv")
    os.utime(folder / "done" / "a.csv", (0, 0), follow_symlinks=False)  # as if in 1970
    said = json.loads((folder / "done" / ".archived").read_text())
    said["a.csv"][1] = 0
    (folder / "done" / ".archived").write_text(json.dumps(said))
    assert tidy(folder, NOW) == ()
    assert tidy(folder, NOW + KEEP - DAY) == ()
    assert tidy(folder, NOW + KEEP) == ("a.csv",)


def test_a_clock_that_was_trusted_too_far_ahead_only_makes_a_file_stay_longer(folder):
    archive(folder, "a.csv")
    tidy(folder, NOW + 365 * DAY)
    assert tidy(folder, NOW) == ()
    assert tidy(folder, NOW + KEEP - DAY) == ()
    assert tidy(folder, NOW + KEEP) == ("a.csv",)


def test_only_what_the_box_put_there_is_removed_and_only_unchanged(folder, tmp_path):
    outside = tmp_path / "outside.csv"
    outside.write_text("mine")
    archive(folder, "a.csv", "b.csv", "c.csv", "d.csv", "e.csv")
    tidy(folder, NOW)
    put = folder / "done"
    (put / "theirs.csv").write_text("put here by hand")
    (put / "b.csv").write_text("changed by hand")
    (put / "c.csv").unlink()
    (put / "c.csv").symlink_to(outside)
    (put / "d.csv").unlink()
    (put / "d.csv").mkdir()
    (put / "e.csv").rename(put / "renamed.csv")
    assert tidy(folder, NOW + KEEP) == ("a.csv",)
    assert there(folder) == ["b.csv", "c.csv", "d.csv", "renamed.csv", "theirs.csv"]
    assert outside.read_text() == "mine"


def test_C6_a_list_that_somebody_wrote_leads_nowhere_else(folder, tmp_path):
    archive(folder, "a.csv")
    secret = tmp_path / "secret"
    secret.write_text("x")
    old = (NOW - 2 * KEEP).isoformat()
    facts = [1, secret.stat().st_mtime_ns, old]
    names = ("../../secret", str(secret), "..", ".", "", "a\0b", "\ud800", "x" * 300)
    (folder / "done" / ".archived").write_text(json.dumps(dict.fromkeys(names, facts)))
    assert tidy(folder, NOW) == ()
    assert secret.exists()
    assert there(folder) == ["a.csv"]


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"[]", b"null", b"[" * 100_000, b"\xff"),
        *(b'{"a.csv": 5}', b'{"a.csv": [1, 2]}', b'{"a.csv": [1, 2, "x"]}'),
        *(b'{"a.csv": ["1", 2, null]}', b'{"a.csv": [5, 2, "2026-11-21"]}'),
    ],
)
def test_a_list_that_cannot_be_read_makes_everything_stay(folder, content):
    archive(folder, "a.csv")
    (folder / "done" / ".archived").write_bytes(content)
    assert tidy(folder, NOW) == ()
    assert tidy(folder, NOW + 2 * KEEP) == ()
    assert there(folder) == ["a.csv"]
    archive(folder, "b.csv")
    assert tidy(folder, NOW + 2 * KEEP) == ()
    assert tidy(folder, NOW + 3 * KEEP) == ("b.csv",)


def test_C6_a_list_that_is_a_link_or_a_pipe_is_not_followed(folder, tmp_path):
    archive(folder, "a.csv")
    listed = folder / "done" / ".archived"
    target = tmp_path / "target"
    shutil.move(listed, target)
    listed.symlink_to(target)
    before = target.read_bytes()
    assert tidy(folder, NOW + 2 * KEEP) == ()
    archive(folder, "b.csv")
    assert target.read_bytes() == before
    listed.unlink()
    os.mkfifo(listed)
    assert tidy(folder, NOW + 2 * KEEP) == ()
    assert there(folder) == ["a.csv", "b.csv"]


def test_an_inbox_that_is_away_or_has_no_done_is_left_for_the_next_day(folder, tmp_path):
    assert tidy(folder, NOW) == ()
    assert tidy(tmp_path / "none", NOW) == ()
    (folder / "done").symlink_to(tmp_path)
    assert tidy(folder, NOW) == ()


def test_a_power_cut_after_the_list_was_written_loses_and_removes_nothing(folder, monkeypatch):
    """The list is written, the files are not moved yet: the next Run moves them."""

    def cut(*_args, **_more):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(done.os, "rename", cut)
        with pytest.raises(KeyboardInterrupt):
            archive(folder, "a.csv")
    assert (folder / "a.csv").read_text() == "a.csv"
    assert tidy(folder, NOW + 2 * KEEP) == ()
    archive(folder, "a.csv")
    assert there(folder) == ["a.csv"]
    tidy(folder, NOW)
    assert tidy(folder, NOW + KEEP) == ("a.csv",)


PUT_AWAY = """
import os, sys
from appliance.sources import done
folder = os.open(sys.argv[1], os.O_RDONLY)
done.put_away(folder, [os.fsencode(name) for name in os.listdir(folder)])
"""


@pytest.mark.parametrize("moved", [0, 1, 500])
def test_a_kill_in_the_middle_of_it_loses_nothing_and_the_next_run_goes_on(folder, moved):
    names = {f"{number}.csv" for number in range(2000)}
    for name in names:
        (folder / name).write_text(name)
    child = subprocess.Popen([sys.executable, "-c", PUT_AWAY, folder])
    limit = monotonic() + 60
    while monotonic() < limit and child.poll() is None:
        if (folder / "done" / ".archived").exists() and len(there(folder)) >= moved:
            break
    child.kill()
    child.wait()
    left = {path.name for path in folder.glob("*.csv")}
    assert left | set(there(folder)) == names
    assert not left & set(there(folder))
    with inbox._opened(settings(folder)) as opened:
        done.put_away(opened, [name.encode() for name in left])
    tidy(folder, NOW)
    assert set(tidy(folder, NOW + KEEP)) == names


def test_a_file_that_cannot_be_removed_stays_listed(folder, monkeypatch):
    archive(folder, "a.csv")
    tidy(folder, NOW)

    def refuse(*_args, **_more):
        raise PermissionError

    with monkeypatch.context() as patch:
        patch.setattr(done.os, "unlink", refuse)
        assert tidy(folder, NOW + KEEP) == ()
    assert tidy(folder, NOW + KEEP) == ("a.csv",)


def test_putting_away_and_tidying_at_once_loses_no_entry(folder):
    """Each has the folder to itself: two threads, forty files, all of them go in the end."""
    errors = []

    def work(letter):
        try:
            for number in range(20):
                name = f"{letter}{number}.csv"
                (folder / name).write_text(name)
                with inbox._opened(settings(folder)) as opened:
                    done.put_away(opened, [name.encode()])
                tidy(folder, NOW)
        except Exception as error:  # noqa: BLE001 - told below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(letter,)) for letter in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors
    assert len(there(folder)) == 40
    assert len(tidy(folder, NOW + KEEP)) == 40


def test_ten_thousand_files_are_put_away_in_one_go(folder):
    names = [f"{number}.csv".encode() for number in range(10_000)]
    for name in names:
        (folder / os.fsdecode(name)).touch()
    with inbox._opened(settings(folder)) as opened:
        done.put_away(opened, names)
    assert len(there(folder)) == 10_000
    tidy(folder, NOW)
    assert len(tidy(folder, NOW + KEEP)) == 10_000


NAMES = st.binary(min_size=1, max_size=20).filter(
    lambda raw: not {b"/", b"\0"} & {bytes([letter]) for letter in raw} and raw.strip(b".")
)
KEPT = st.builds(
    done.Kept, st.integers(0), st.integers(), st.none() | st.datetimes(timezones=st.just(UTC))
)


@given(st.dictionaries(NAMES, KEPT, max_size=20))
def test_what_is_listed_is_read_back_the_same(kept):
    with tempfile.TemporaryDirectory() as folder:
        opened = os.open(folder, os.O_RDONLY)
        try:
            done._write(opened, kept)
            assert done._read(opened) == kept
        finally:
            os.close(opened)

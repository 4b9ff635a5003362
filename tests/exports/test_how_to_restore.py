"""The two commands of HOW-TO-RESTORE.txt, run by stock programs and nothing of ours."""

import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.exports.how_to_restore import text
from appliance.exports.layout import ExportFolder

from .days import Days, changed, csv, read, table

BORG = Path(sys.executable).parent / "borg"
NAMES = (
    "Data_001.zip/Contacts_001.csv",
    "-rf.csv",
    "a 'quoted' \"name\" $HOME `id`.csv",
    "Müller & Söhne (neu).csv",
    "* ? [a].csv",
    " spaces at both ends ",
    "part-0001/x.csv",
    "x.csv.d/part-2024.csv",
    "y/part-0001",
    "00/00",
    "01.zst",
    "history/export",
)


def commands(how_to: str) -> list[str]:
    return re.findall(r"^ {5}(\S.*)$", how_to, re.MULTILINE)


def run(command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess:
    bare = {"PATH": f"{BORG.parent}:/usr/bin:/bin", "LANG": "C.UTF-8"}
    return subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=folder,
        env=bare | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A folder on somebody's computer that has stock borg and zstd, and nothing of ours."""
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


def several_days(days: Days) -> dict[str, bytes]:
    """Lay out days with chains, parts, whole files and strange names; return the last day."""
    tables = {name: table(600, seed=seed) for seed, name in enumerate(NAMES)}
    big = table(4000, seed=99)
    noise = random.Random(1)
    for day in range(1, 5):
        tables = {name: changed(lines, day) for name, lines in tables.items()}
        big = changed(big, day)
        files = {name: csv(lines) for name, lines in tables.items()}
        files |= {"big one.csv": csv(big), "empty": b"", "n.bin": noise.randbytes(5000)}
        days.add(files)
    return files


@pytest.mark.slow
def test_the_two_commands_give_everything_back(tmp_path, empty):
    days = Days(tmp_path, ExportFolder(part_bytes=64 << 10))
    files = several_days(days)
    how_to = (days.archive / "HOW-TO-RESTORE.txt").read_text()
    extract, undo = commands(how_to)
    name = re.search(r"::(\S+)", extract).group(1)
    assert name == "crm-2026-11-24T03:00:00Z"
    borg = {
        "BORG_PASSPHRASE": "on the emergency sheet",
        "BORG_BASE_DIR": str(tmp_path / "borg"),
        "BORG_REPO": str(tmp_path / "repository"),
        "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
    }
    made = run("borg init -e repokey && borg create ::" + name + " .", days.archive, **borg)
    assert made.returncode == 0, made.stderr
    repository = borg.pop("BORG_REPO")
    assert (Path(repository) / "config").exists()
    for command in (extract.replace("REPOSITORY", repository), undo):
        done = run(command, empty, **borg)
        assert done.returncode == 0, done.stderr
    assert read(empty / "restored") == files
    assert any("part-0002" in path for path in read(empty))
    assert not (empty / ".work").exists()


def test_an_archive_of_the_first_day_needs_no_zstd(tmp_path, empty):
    days = Days(tmp_path)
    days.add({"a.csv": csv(table(500))})
    command = commands((days.archive / "HOW-TO-RESTORE.txt").read_text())[1]
    done = run(f"cp -R '{days.archive}/.' . && " + command, empty)
    assert done.returncode == 0, done.stderr
    assert read(empty / "restored") == {"a.csv": csv(table(500))}


@pytest.mark.slow
def test_a_hundred_links_are_replayed_in_their_order(tmp_path, empty):
    days = Days(tmp_path)
    lines = table(3000)
    for day in range(103):
        lines = changed(lines, day, rows=1)
        days.add({"a.csv": csv(lines)})
    assert (days.archive / "history/a.csv/102.zst").exists()
    command = commands(text("x"))[1]
    done = run(f"cp -R '{days.archive}/.' . && " + command, empty)
    assert done.returncode == 0, done.stderr
    assert read(empty / "restored") == {"a.csv": csv(lines)}


def test_damage_stops_the_second_command_with_an_error(tmp_path, empty):
    days = Days(tmp_path)
    several_days(days)
    command = commands(text("x"))[1]
    assert run(f"cp -R '{days.archive}/.' .", empty).returncode == 0
    (empty / "history/00/00/01.zst").write_bytes(b"no")
    done = run(command, empty)
    assert done.returncode != 0
    assert done.stderr


def test_it_names_exactly_two_commands_and_no_line_is_too_hard_to_read():
    how_to = text("crm-2026-11-24T03:00:00Z")
    assert len(commands(how_to)) == 2
    assert max(len(line) for line in how_to.splitlines() if not line.startswith("     ")) <= 100
    assert "passphrase" in how_to
    assert os.linesep == "\n"

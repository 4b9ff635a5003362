"""Memory: one process lays out and restores a member of 640 MiB within 300 MB: its twenty
parts one by one."""

import hashlib
import json
import random
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from appliance.core.model import Export, ExportFile
from appliance.core.ports import Watch
from appliance.exports.layout import ExportFolder
from tests.contract.test_repository import borg_at
from tests.repositories.staging import day

PROGRAM = r"""
import hashlib, json, random, re, shutil, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from appliance.core.model import Export, ExportFile
from appliance.core.ports import Watch
from appliance.exports.layout import ExportFolder

folder, size, days = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
exports, previous, added = ExportFolder(), None, []
for day in range(days):
    chance, edits = random.Random(1), random.Random(day)
    pull, work = folder / f"pull-{day}", folder / f"work-{day}"
    pull.mkdir(); work.mkdir()
    hasher, left, count = hashlib.sha256(), size, 0
    with (pull / "0").open("xb") as out:
        while left > 0:
            block = chance.randbytes(1 << 20).hex("\n", 60).encode() + b"\n"
            place = edits.randrange(len(block))
            if day:
                block = block[:place] + b"changed on day %d" % day + block[place:]
            out.write(block); hasher.update(block); left -= len(block); count += len(block)
    file = ExportFile("all.sql", pull / "0", count, hasher.hexdigest())
    export = Export("crm", (file,), datetime(2026, 11, 20, tzinfo=UTC) + timedelta(day))
    layout = exports.lay_out(export, previous, work, Watch())
    shutil.rmtree(pull)
    if previous:
        shutil.rmtree(previous.parent)
    previous = layout.root
    added.append(layout.new_bytes)
restored = exports.restore(previous, folder / "out", Watch())
hasher = hashlib.sha256()
with restored[0].open("rb") as stream:
    while block := stream.read(1 << 20):
        hasher.update(block)
# not getrusage: its peak is that of the tests' own process where that was larger at the fork
(peak,) = re.findall(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
print(json.dumps({
    "same": hasher.hexdigest() == file.sha256,
    "added": added,
    "links": len(layout.stored),
    "peak_mb": int(peak) / 1024,
}))
"""


def laid_out(folder: Path, size_bytes: int, days: int) -> dict:
    command = [sys.executable, "-c", PROGRAM, str(folder), str(size_bytes), str(days)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1200)
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize(("size_mib", "days"), [(47, 3), (640, 2)])
def test_memory_stays_below_300_mb_whatever_the_size(tmp_path, size_mib, days):
    """47 MiB is the largest that is not cut into parts: the worst case for one comparison. Twenty
    parts are held in memory no more than two thousand: whole they would not fit twice over.
    """
    result = laid_out(tmp_path, size_mib << 20, days)
    assert result["same"]
    assert result["peak_mb"] <= 300
    assert result["added"][-1] < size_mib * 500


def test_a_large_member_that_becomes_parts_is_not_stored_again(tmp_path):
    """The first day lies there as one file; from the second on it is the bases of parts."""
    repository = borg_at(tmp_path / "repository", tmp_path / "state")
    repository.create_repository()
    content, previous, added = random.Random(1).randbytes(70 << 20), None, []
    for number in range(2):
        pull, work = tmp_path / f"pull-{number}", tmp_path / f"work-{number}"
        pull.mkdir()
        work.mkdir()
        file = pull / "0"
        file.write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        taken = ExportFile("all.bin", file, len(content), sha256)
        time = datetime(2026, 11, 20 + number, tzinfo=UTC)
        layout = ExportFolder().lay_out(Export("crm", (taken,), time), previous, work, Watch())
        added.append(repository.create(day(number, layout), layout, Watch()))
        previous = layout.root
        content = content[:40_000_000] + b"a change" + content[40_000_000:]
    assert added[0] > 70 << 20
    assert added[1] < 1 << 20
    assert layout.new_bytes < 1 << 20
    assert any(path.endswith("part-0002/01.zst") for path in layout.stored)

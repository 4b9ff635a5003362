"""Memory: one process lays out and restores a member of 2 GB within 300 MB."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

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
@pytest.mark.parametrize(("size_mib", "days"), [(47, 3), (2048, 2)])
def test_memory_stays_below_300_mb_whatever_the_size(tmp_path, size_mib, days):
    """47 MiB is the largest that is not cut into parts: the worst case for one comparison."""
    result = laid_out(tmp_path, size_mib << 20, days)
    assert result["same"]
    assert result["peak_mb"] <= 300
    assert result["added"][-1] < size_mib * 500

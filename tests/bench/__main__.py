"""`make bench`: runs the parts, prints a table, writes bench.json.

python -m tests.bench --scale 0.1 --days 10 --only storage
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from appliance.core.errors import ApplianceError

from . import compare, find, footprint, page, recipe, storage, transfer
from .measure import Finding

PARTS = ("storage", "transfer", "footprint", "page", "find", "compare", "recipe")


def main() -> int:
    """Return 0 where every target that was measured is met; what was found is written always."""
    options = _options()
    findings: list[Finding] = []
    failed = False
    for part in options.only or PARTS:
        print(f"{part}:", file=sys.stderr, flush=True)
        try:
            with tempfile.TemporaryDirectory(prefix="bench-", dir=options.folder) as folder:
                for finding in _measure(part, Path(folder), options):
                    findings.append(finding)
                    if finding.part != "by day":  # those are for the file
                        _show(finding)
        except (RuntimeError, ApplianceError, OSError) as error:
            failed = True
            print(f"{part} could not be measured to its end: {error}", file=sys.stderr)
        _write(options, findings)
    missed = [finding for finding in findings if finding.met is False]
    print(f"\n{len(missed)} of {sum(f.met is not None for f in findings)} targets missed.")
    return 1 if missed or failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="1 is 100 MB of CSV a day")
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5, help="for what is timed")
    parser.add_argument("--file-mb", type=int, default=256, help="what is pulled")
    parser.add_argument("--zip-mb", type=int, default=2000, help="what is pulled by a recipe")
    parser.add_argument("--only", action="append", choices=PARTS)
    parser.add_argument("--json", type=Path, default=Path("bench.json"))
    parser.add_argument("--folder", type=Path, help="where there is room (else the usual place)")
    options = parser.parse_args()
    if options.days < 3:
        parser.error("three days at least: the first is no day like the others")
    return options


def _measure(part: str, folder: Path, options: argparse.Namespace) -> Iterator[Finding]:
    measures: dict[str, Callable[[], Iterator[Finding]]] = {
        "storage": lambda: storage.measure(folder, options.scale, options.days),
        "transfer": lambda: transfer.measure(folder, options.file_mb, options.rounds),
        "footprint": lambda: footprint.measure(folder, options.rounds),
        "page": lambda: page.measure(folder, options.scale, options.rounds),
        "find": lambda: find.measure(folder, options.scale, options.rounds),
        "compare": lambda: compare.measure(folder, options.scale, options.rounds),
        "recipe": lambda: recipe.measure(folder, options.scale, options.zip_mb, options.rounds),
    }
    return measures[part]()


def _show(finding: Finding) -> None:
    mark = {None: " ", True: "✓", False: "✗"}[finding.met]
    value = f"{finding.value:12,.3f} {finding.unit}"
    print(f"{mark} {finding.what:<58} {value:<28} {finding.target}", flush=True)


def _write(options: argparse.Namespace, findings: list[Finding]) -> None:
    """Keep what other parts found earlier in the same file."""
    parts = {finding.part for finding in findings}
    old = json.loads(options.json.read_text())["findings"] if options.json.exists() else []
    kept = [finding for finding in old if finding["part"] not in parts]
    now = datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds")
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    chosen = {"scale": options.scale, "days": options.days, "file_mb": options.file_mb}
    chosen["zip_mb"] = options.zip_mb
    new = [finding.as_json() | {"when": now} | chosen for finding in findings]
    text = json.dumps({"machine": machine, "findings": kept + new}, indent=1, ensure_ascii=False)
    part = options.json.with_suffix(".part")
    part.write_text(text + "\n")
    shutil.move(part, options.json)


if __name__ == "__main__":
    sys.exit(main())

"""Who keeps the days: ours, restic and borg with the same ZIPs, fine chunks, the bare tools."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests import servers

from .measure import BIN, Cost, environment, run, size_of

_PASSPHRASE = "bench"


@dataclass(frozen=True, slots=True)
class Day:
    """One day's export, as it came and unpacked."""

    number: int
    zip_file: Path
    tables: tuple[Path, ...]
    tables_before: tuple[Path, ...]


class Contender(Protocol):
    """Keeps each day and says what that cost."""

    name: str

    def keep(self, day: Day) -> Cost: ...

    def stored_bytes(self) -> int: ...


class Ours:
    """`appliance run`: inbox, one encrypted repository, verified, mirrored to S3."""

    name = "ours"

    def __init__(self, folder: Path, cloud: servers.S3) -> None:
        self._folder, self._cloud = folder, cloud
        self._inbox = folder / "inbox"
        self._inbox.mkdir(parents=True)
        rclone = cloud.write_rclone_config(folder / "rclone.conf")
        self._config = folder / "appliance.toml"
        self._config.write_text(_CONFIGURATION.format(folder=folder, rclone=rclone))
        self._appliance = [BIN / "appliance", "--config", self._config]
        run([*self._appliance, "init", "disk"])

    def keep(self, day: Day) -> Cost:
        shutil.copy(day.zip_file, self._inbox)
        return run([*self._appliance, "run", "crm"])

    def restore(self, into: Path) -> Cost:
        """Give the newest original back."""
        return run([*self._appliance, "restore", "crm", "--original", "--to", into])

    def stored_bytes(self) -> int:
        return size_of(self._folder / "disk")

    def uploaded_bytes(self) -> int:
        """All that the cloud holds; nothing there is ever replaced."""
        return size_of(self._cloud.bucket_folder or self._folder)


class Bare:
    """The stock tools in a row, doing the same: unzip, zstd, sha256sum, borg, rclone."""

    name = "bare tools"

    def __init__(self, folder: Path, cloud: servers.S3) -> None:
        self._folder = folder
        self._store = folder / "store"
        self._store.mkdir(parents=True)
        self._env = _borg_environment(folder)
        rclone = cloud.write_rclone_config(folder / "rclone.conf")
        self._rclone = ["rclone", "--config", str(rclone), "copy", "--immutable"]
        self._remote = f"{cloud.remote}/bare"
        run(["borg", "init", "-e", "repokey"], env=self._env)
        self.patch_bytes = 0

    def keep(self, day: Day) -> Cost:
        script = self._folder / "day.sh"
        number, work = f"{day.number:03d}", self._folder / "work"
        lines = ["set -eu", f"rm -rf '{work}'", f"unzip -q '{day.zip_file}' -d '{work}'"]
        for table in day.tables:
            lines += self._table(table, {path.name: path for path in day.tables_before}, number)
        lines += [
            f"borg create -C zstd,10 ::{number} '{self._store}'",
            f"borg extract --stdout ::{number} | sha256sum >/dev/null",
            f"{' '.join(self._rclone)} '{self._folder}/repository/data' {self._remote}",
        ]
        script.write_text("\n".join(lines) + "\n")
        cost = run(["sh", script], env=self._env)
        self.patch_bytes = sum(p.stat().st_size for p in self._store.glob(f"*.{number}.zst"))
        return cost

    def _table(self, table: Path, before: Mapping[str, Path], number: str) -> list[str]:
        work, old = self._folder / "work" / table.name, before.get(table.name)
        if old is None:
            return [f"cp '{work}' '{self._store}'"]
        patch = self._store / f"{table.name}.{number}.zst"
        windowed = f"zstd -q --long=27 --patch-from='{old}'"
        return [
            f"{windowed} -6 '{work}' -o '{patch}'",
            f"{windowed} -d -c '{patch}' | sha256sum >/dev/null",
        ]

    def stored_bytes(self) -> int:
        return size_of(self._folder / "repository")


class BorgOnZips:
    """Borg as it comes, fed the ZIP."""

    name = "borg, ZIP"
    _options: tuple[str, ...] = ()

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._folder, self._env = folder, _borg_environment(folder)
        run(["borg", "init", "-e", "repokey"], env=self._env)

    def keep(self, day: Day) -> Cost:
        archive = f"::{day.number:03d}"
        return run(["borg", "create", *self._options, archive, *self._files(day)], env=self._env)

    def _files(self, day: Day) -> tuple[Path, ...]:
        return (day.zip_file,)

    def stored_bytes(self) -> int:
        return size_of(self._folder / "repository")


class BorgWithFineChunks(BorgOnZips):
    """The best that Borg's own chunker can do with the unpacked tables."""

    name = "borg, CSV, fine chunks"
    _options = ("--chunker-params", "buzhash,9,16,11,63", "-C", "zstd,10")

    def _files(self, day: Day) -> tuple[Path, ...]:
        return day.tables


class ResticOnZips:
    """restic as it comes, fed the ZIP."""

    name = "restic, ZIP"

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._repository = folder / "repository"
        cache = {"RESTIC_CACHE_DIR": str(folder / "cache")}
        place = {"RESTIC_REPOSITORY": str(self._repository), "RESTIC_PASSWORD": _PASSPHRASE}
        self._env = cache | place
        run(["restic", "init"], env=self._env)

    def keep(self, day: Day) -> Cost:
        return run(["restic", "backup", "--quiet", day.zip_file], env=self._env)

    def stored_bytes(self) -> int:
        return size_of(self._repository)


class Limit:
    """What no backup program beats by much: `xz -6` of day one, then of each `diff -n`."""

    name = "limit (xz of day 1 and of each diff)"

    def __init__(self) -> None:
        self._bytes = 0

    def add(self, day: Day) -> int:
        """Count a day in; return its bytes."""
        old = {path.name: path for path in day.tables_before}
        commands = [
            f"diff -n '{old[table.name]}' '{table}' || test $? = 1"
            if table.name in old
            else f"cat '{table}'"
            for table in day.tables
        ]
        script = f"{{ {'; '.join(commands)}; }} | xz -6 -c | wc -c"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            env=environment(),
            check=True,
            capture_output=True,
        )
        self._bytes += int(done.stdout)
        return int(done.stdout)

    def stored_bytes(self) -> int:
        return self._bytes


def _borg_environment(folder: Path) -> dict[str, str]:
    return {
        "BORG_REPO": str(folder / "repository"),
        "BORG_BASE_DIR": str(folder / "borg"),
        "BORG_PASSPHRASE": _PASSPHRASE,
        "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
    }


_CONFIGURATION = """\
[appliance]
state = '{folder}/state'
[retention]
last = 1000
[[source]]
name = "crm"
type = "inbox"
path = '{folder}/inbox'
pick = ["*.zip"]
stable_for = "0s"
[[repository]]
name = "disk"
path = '{folder}/disk'
passphrase = "${{secret:disk}}"
[[mirror]]
name = "cloud"
repository = "disk"
remote = "cloud:office"
rclone_config = '{rclone}'
"""

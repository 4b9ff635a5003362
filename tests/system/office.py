"""A whole office for the tests: a configuration, its secrets, and the real command line."""

from __future__ import annotations

import atexit
import csv
import functools
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests import servers
from tests.system import forked

HEADER = ("Record Id", "Name", "City", "Modified Time")


def contacts(count, *, changed=(), day="2026-11-20"):
    """A table of `count` contacts; those whose numbers are in `changed` were edited on `day`."""
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(HEADER)
    for number in range(count):
        city = f"Neustadt {day}" if number in changed else f"Altstadt {number * 7919 % 9973}"
        rows.writerow((f"zcrm_{number:09}", f"Müller, Ana {number}", city, day))
    return text.getvalue().encode()


def zipped(members, level=6):
    """A ZIP as a vendor makes it."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
        for name, content in members.items():
            archive.writestr(
                zipfile.ZipInfo(name, (2026, 11, 20, 2, 0, 0)), content, zipfile.ZIP_DEFLATED, level
            )
    return data.getvalue()


def put(folder, name, data):
    """Deliver a file, old enough to be taken at once."""
    path = folder / name
    path.write_bytes(data)
    old = path.stat().st_mtime - 3600
    os.utime(path, (old, old))
    return path


def section(kind, **keys):
    """A table of the configuration; keys that are None are left out."""
    lines = [f"{key} = {value_of(value)}" for key, value in keys.items() if value is not None]
    return "\n".join([kind, *lines, ""])


def panel_config(state, led_office=22):
    """A configuration with a panel and nothing else."""
    pins = {"button": 17, "led_office": led_office, "led_cloud": 23, "led_attention": 24}
    return section("[appliance]", state=state) + section("[panel]", **pins)


def value_of(value):
    """A value as TOML writes it."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {value_of(one)}" for key, one in value.items()) + " }"
    return json.dumps(str(value) if isinstance(value, Path) else value)


@dataclass
class Office:
    """A configuration in a folder; sections are added, then commands are run."""

    folder: Path
    sections: list[str] = field(default_factory=list)
    forks: bool = True
    """Whether a command may begin loaded; not where its very start is what is tested."""

    def __post_init__(self):
        self.state = self.folder / "state"
        self.config = self.folder / "appliance.toml"
        (self.state / "secrets").mkdir(parents=True, exist_ok=True)
        self.add("[appliance]", timezone="Europe/Berlin", state=self.state, reserve="1 MB")

    def copied_to(self, folder):
        """The same office in another folder, with all its backups: copying is quicker than Borg."""
        shutil.copytree(self.folder, folder, symlinks=True, dirs_exist_ok=True)
        copy = Office(folder)
        copy.sections = list(self.sections)
        copy.config.write_text("\n".join(copy.sections))
        _say_moved(copy.config, self.folder, folder)
        _say_moved(copy.state, self.folder, folder)
        copy.sections = [one.replace(str(self.folder), str(folder)) for one in self.sections]
        return copy

    def add(self, kind, **keys):
        self.sections.append(section(kind, **keys))
        self.config.write_text("\n".join(self.sections))

    def secret(self, name, value):
        path = self.state / "secrets" / name
        path.write_text(value)
        path.chmod(0o600)
        return f"${{secret:{name}}}"

    def inbox(self, name="by-hand", **more):
        folder = self.folder / name
        folder.mkdir()
        keys = {"name": name, "type": "inbox", "path": folder, "stable_for": "0s"}
        self.add("[[source]]", **keys | more)
        return folder

    def sftp(self, server, name="crm", **more):
        key = self.secret(f"{name}_key", server.user_key.private.read_text())
        keys = {"name": name, "type": "sftp", "host": server.host, "port": server.port}
        keys |= {"user": server.user, "key": key, "path": server.root or "."}
        self.add("[[source]]", **keys | {"pick": ["*.zip", "*.csv"], "stable_for": "1s"} | more)

    def http(self, server, path, name="site", **more):
        auth = {"kind": "bearer", "token": self.secret(f"{name}_token", server.token)}
        keys = {"name": name, "type": "http", "url": server.url(path), "auth": auth}
        self.add("[[source]]", **keys | {"ca_file": server.ca_file} | more)

    def disk(self, name="disk-a", **more):
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        keys = {"name": name, "path": folder / "repo", "passphrase": f"${{secret:{name}}}"}
        self.add("[[repository]]", **keys | {"reserve": "10 MB"} | more)
        if more or [each.name for each in self.state.iterdir()] != ["secrets"]:
            self.ok("init", name)
        else:
            self._take_disk(name, _office_with_disk(name))
        return folder / "repo"

    def _take_disk(self, name, other):
        """What `init` makes in an office where nothing was done yet, copied from another one."""
        shutil.copytree(other.folder / name, self.folder / name, dirs_exist_ok=True)
        shutil.copytree(other.state, self.state, symlinks=True, dirs_exist_ok=True)
        _say_moved(self.state, other.folder, self.folder)

    def cloud(self, server, repository="disk-a", **more):
        path = server.write_rclone_config(self.folder / "rclone.conf")
        keys = {"name": "cloud", "repository": repository, "remote": server.remote}
        self.add("[[mirror]]", **keys | {"rclone_config": path} | more)

    def argv(self, *words):
        return [sys.executable, "-m", "appliance", "--config", str(self.config), *map(str, words)]

    def call(self, *words, **options):
        """Run a command as a person would; return how it ended."""
        argv = self.argv(*words)
        if self.forks and forked.fits(argv, options):
            return forked.run(argv)
        return subprocess.run(
            argv, capture_output=True, text=True, timeout=300, check=False, **options
        )

    def ok(self, *words, code=0):
        done = self.call(*words)
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def json(self, *words, code=0):
        return json.loads(self.ok(*words, "--json", code=code))

    @contextmanager
    def started(self, *words, **options):
        """A command that goes on; ended with the block."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
        process = subprocess.Popen(self.argv(*words), **pipes)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()


def _say_moved(what, here, there):
    """Borg notes where a repository lies."""
    here, there = str(here).encode(), str(there).encode()
    for file in [what, *what.rglob("*")]:
        if file.is_file() and here in (said := file.read_bytes()):
            file.write_bytes(said.replace(here, there))


@functools.cache
def _office_with_disk(name):
    """Made once for each worker of the tests."""
    folder = Path(tempfile.mkdtemp(prefix="office-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    office = Office(folder)
    (folder / name).mkdir()
    keys = {"name": name, "path": folder / name / "repo", "passphrase": f"${{secret:{name}}}"}
    office.add("[[repository]]", **keys, reserve="10 MB")
    office.ok("init", name)
    return office


__all__ = ["HEADER", "Office", "contacts", "put", "servers", "zipped"]

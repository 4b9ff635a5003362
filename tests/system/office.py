"""A whole office for the tests: a configuration, its secrets, and the real command line."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests import servers

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


@dataclass
class Office:
    """A configuration in a folder; sections are added, then commands are run."""

    folder: Path
    sections: list[str] = field(default_factory=list)

    def __post_init__(self):
        self.state = self.folder / "state"
        self.config = self.folder / "appliance.toml"
        (self.state / "secrets").mkdir(parents=True, exist_ok=True)
        self.sections.insert(
            0,
            f'[appliance]\nname = "Test"\ntimezone = "Europe/Berlin"\nstate = "{self.state}"\nreserve = "1 MB"\n',
        )
        self.write()

    def write(self):
        self.config.write_text("\n".join(self.sections))

    def add(self, text):
        self.sections.append(text)
        self.write()

    def secret(self, name, value):
        path = self.state / "secrets" / name
        path.write_text(value)
        path.chmod(0o600)

    def inbox(self, name="by-hand", more=""):
        folder = self.folder / name
        folder.mkdir()
        self.add(
            f'[[source]]\nname = "{name}"\ntype = "inbox"\npath = "{folder}"\nstable_for = "0s"\n{more}'
        )
        return folder

    def sftp(self, server, name="crm", more=""):
        self.secret(f"{name}_key", server.user_key.private.read_text())
        self.add(
            f'[[source]]\nname = "{name}"\ntype = "sftp"\nhost = "{server.host}"\nport = {server.port}\n'
            f'user = "{server.user}"\nkey = "${{secret:{name}_key}}"\npath = "{server.root or "."}"\n'
            f'pick = ["*.zip", "*.csv"]\nstable_for = "1s"\n{more}'
        )

    def http(self, server, path, name="site", more=""):
        self.secret(f"{name}_token", server.token)
        self.add(
            f'[[source]]\nname = "{name}"\ntype = "http"\nurl = "{server.url(path)}"\n'
            f'auth = {{ kind = "bearer", token = "${{secret:{name}_token}}" }}\nca_file = "{server.ca_file}"\n{more}'
        )

    def disk(self, name="disk-a", more=""):
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        self.add(
            f'[[repository]]\nname = "{name}"\npath = "{folder}/repo"\npassphrase = "${{secret:{name}}}"\nreserve = "10 MB"\n{more}'
        )
        self.ok("init", name)
        return folder / "repo"

    def cloud(self, server, repository="disk-a", more=""):
        path = server.write_rclone_config(self.folder / "rclone.conf")
        self.add(
            f'[[mirror]]\nname = "cloud"\nrepository = "{repository}"\nremote = "{server.remote}"\nrclone_config = "{path}"\n{more}'
        )

    def argv(self, *words):
        return [sys.executable, "-m", "appliance", "--config", str(self.config), *map(str, words)]

    def call(self, *words, **options):
        """Run a command as a person would; return how it ended."""
        return subprocess.run(
            self.argv(*words), capture_output=True, text=True, timeout=300, check=False, **options
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


__all__ = ["HEADER", "Office", "contacts", "put", "servers", "zipped"]

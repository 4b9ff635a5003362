"""The demo's office: its CRM behind two servers, two folders as disks, a cloud, a configuration."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ..core.errors import ApplianceError
from .authority import write_private
from .crm import Change, Crm
from .servers import S3, Https, Sshd, free_port, https, s3, sshd

MARKER = ".appliance-demo"
_MARKER_TEXT = "A demo lives here. The next demo empties this folder.\n"


@dataclass(frozen=True, slots=True)
class Office:
    """A running demo: the CRM, what serves it, and the configuration of a box beside it."""

    folder: Path
    config: Path
    crm: Crm
    exports: Path
    """What the SFTP server serves under `exports`."""
    site: Path
    """What the web server serves."""
    sftp_server: Sshd
    web_server: Https
    cloud: S3

    def deliver(self) -> None:
        """Put today's exports where the servers serve them, as a vendor does at night."""
        self.crm.write_zip(self.exports, tables=("Accounts", "Contacts", "Leads", "Deals"))
        self.crm.write_notes(self.exports)
        self.crm.write_zip(self.site, "export.zip", tables=("Leads",))

    def advance(self) -> dict[str, Change]:
        """Let the office work for a day, deliver, and return what changed, by table."""
        done = self.crm.advance()
        self.deliver()
        return done


@contextmanager
def office(folder: Path, first_day: date) -> Iterator[Office]:
    """Given a folder of our own or a new one, empty it and run the office in it.

    Raise ApplianceError where something else lies there.
    """
    folder = folder.absolute()
    with _emptied(folder):
        yield from _run(folder, first_day)


def _run(folder: Path, first_day: date) -> Iterator[Office]:
    exports, site = folder / "crm" / "exports", folder / "website"
    for path in (exports, site, folder / "disk-a", folder / "disk-b", folder / "home"):
        path.mkdir(parents=True)
    with ExitStack() as running:
        sftp_server = running.enter_context(sshd(folder / "servers" / "sshd", folder / "crm"))
        web_server = running.enter_context(https(folder / "servers" / "nginx", site))
        cloud = running.enter_context(s3(folder / "cloud"))
        config = _write_configuration(folder, sftp_server, web_server, cloud)
        crm = Crm(first_day)
        made = Office(folder, config, crm, exports, site, sftp_server, web_server, cloud)
        made.deliver()
        yield made


@contextmanager
def _emptied(folder: Path) -> Iterator[None]:
    """Empty a folder of ours, and let no other demo empty it before the end of the block."""
    with ExitStack() as held:
        if (folder / MARKER).exists():
            _hold(held, folder / MARKER)
        _empty(folder)
        _hold(held, folder / MARKER)
        yield


def _hold(held: ExitStack, marker: Path) -> None:
    file = held.enter_context(marker.open())
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ApplianceError(
            f"A demo is running in {marker.parent}.",
            hint="End that one with Ctrl-C, or name another folder: appliance demo --folder FOLDER",
        ) from None


def _empty(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()) and not (folder / MARKER).exists():
        raise ApplianceError(
            f"{folder} is not empty, and what lies there is not an earlier demo.",
            hint="Name another folder: appliance demo --folder FOLDER",
        )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    (folder / MARKER).write_text(_MARKER_TEXT)


def _write_configuration(folder: Path, sftp: Sshd, web: Https, cloud: S3) -> Path:
    secrets = folder / "state" / "secrets"
    secrets.mkdir(mode=0o700, parents=True)
    secrets.parent.chmod(0o700)
    write_private(secrets / "crm_key", sftp.user_key.private.read_bytes())
    write_private(secrets / "site", web.token.encode())
    rclone = cloud.write_rclone_config(folder / "rclone.conf")
    config = folder / "appliance.toml"
    config.write_text(
        _CONFIGURATION.format(
            folder=folder,
            host=sftp.host,
            port=sftp.port,
            user=sftp.user,
            path=f"{sftp.root}exports",
            url=web.url("/bearer/export.zip"),
            ca_file=web.ca_file,
            remote=cloud.remote,
            rclone=rclone,
            page_port=free_port(),
        ),
        encoding="utf-8",
    )
    return config


_CONFIGURATION = """\
# The demo's configuration, written anew by each demo: look, do not edit.

[appliance]
name = "Demo office"
timezone = "Europe/Berlin"
state = '{folder}/state'
reserve = "50 MB"

[[source]]
name = "crm-nightly"
type = "sftp"
host = "{host}"
port = {port}
user = "{user}"
key = "${{secret:crm_key}}"
path = '{path}'
pick = ["*.zip", "*.csv"]
newest = 2
stable_for = "0s"
schedule = "every 5 min"

[[source]]
name = "site-export"
type = "http"
url = "{url}"
auth = {{ kind = "bearer", token = "${{secret:site}}" }}
ca_file = '{ca_file}'
schedule = "every 5 min"

[[repository]]
name = "disk-a"
path = '{folder}/disk-a/backup'
passphrase = "${{secret:disk-a}}"
reserve = "50 MB"

[[repository]]
name = "disk-b"
path = '{folder}/disk-b/backup'
passphrase = "${{secret:disk-b}}"
reserve = "50 MB"

[[mirror]]
name = "cloud"
repository = "disk-a"
remote = "{remote}"
rclone_config = '{rclone}'
schedule = "after backup"

[web]
listen = "127.0.0.1:{page_port}"

[panel]
button = 17
led_office = 22
led_cloud = 23
led_attention = 24
"""

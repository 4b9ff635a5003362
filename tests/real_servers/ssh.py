"""OpenSSH, ProFTPD with mod_sftp, and Dropbear: three servers that speak SFTP.

The first two change keys after 8 MB, which each does by itself only after a gigabyte or more.
"""

from __future__ import annotations

import subprocess
import textwrap
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from appliance.demo.authority import SshKey, new_ssh_key, write_private
from appliance.demo.servers import free_port, serving
from appliance.system import process

from .account import PASSWORD, USER, account, hashed, uid, unprivileged


@dataclass(frozen=True, slots=True)
class Sftp:
    """A running server: where it is, how to get in, and where the served files lie."""

    port: int
    host_key: SshKey
    user_key: SshKey
    path: str
    """The served folder, as the server calls it."""
    host: str = "127.0.0.1"
    user: str = USER
    password: str = PASSWORD


Start = Callable[[Path, Path], AbstractContextManager[Sftp]]
"""Given an empty folder for what it writes and the folder to serve, run a server."""


@contextmanager
def openssh(folder: Path, root: Path, extra: str = "") -> Iterator[Sftp]:
    """OpenSSH with its own sftp-server; lets in by password and by key. `extra`: more settings."""
    who, key, port = account(folder), new_ssh_key(folder / "host_key"), free_port()
    config = folder / "sshd_config"
    config.write_text(_OPENSSH.format(port=port, key=key.private, home=who.home) + extra)
    argv = [process.find("sshd"), "-D", "-e", "-f", str(config)]
    with serving(unprivileged(argv), port, env=who.environment):
        yield Sftp(port, key, who.key, str(root))


_OPENSSH = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {key}
AuthorizedKeysFile {home}/.ssh/authorized_keys
PidFile none
UsePAM no
StrictModes no
UseDNS no
PasswordAuthentication yes
KbdInteractiveAuthentication no
RekeyLimit 8M
Subsystem sftp /usr/lib/openssh/sftp-server -R
"""


@contextmanager
def dropbear(folder: Path, root: Path) -> Iterator[Sftp]:
    """Dropbear, as routers and small NAS have it, with OpenSSH's sftp-server behind it."""
    who, key, port = account(folder), new_ssh_key(folder / "host_key"), free_port()
    own = folder / "dropbear_key"
    convert = [process.find("dropbearconvert"), "openssh", "dropbear", str(key.private), str(own)]
    subprocess.run(convert, check=True, capture_output=True)
    argv = [process.find("dropbear"), "-F", "-E", "-p", f"127.0.0.1:{port}", "-r", str(own)]
    argv += ["-P", str(folder / "pid")]
    with serving(unprivileged(argv), port, env=who.environment):
        yield Sftp(port, key, who.key, str(root))


@contextmanager
def proftpd(folder: Path, root: Path) -> Iterator[Sftp]:
    """ProFTPD with mod_sftp, which has an SFTP of its own; its users are in a file of its own."""
    who, key, port = account(folder), new_ssh_key(folder / "host_key"), free_port()
    users = f"{USER}:{hashed(PASSWORD)}:{uid()}:{uid()}::{who.home}:/bin/sh\n"
    write_private(folder / "users", users.encode())
    (folder / "keys").write_text(_as_rfc_4716(who.key))
    config = folder / "proftpd.conf"
    config.write_text(_PROFTPD.format(port=port, key=key.private, folder=folder, user=USER))
    argv = [process.find("proftpd"), "--nodaemon", "--config", str(config)]
    with serving(unprivileged(argv), port, env=who.environment):
        yield Sftp(port, key, who.key, str(root))


def _as_rfc_4716(key: SshKey) -> str:
    """Return a public key in the one form that mod_sftp reads."""
    body = "\n".join(textwrap.wrap(key.public_line.split()[1], 70))
    return f"---- BEGIN SSH2 PUBLIC KEY ----\n{body}\n---- END SSH2 PUBLIC KEY ----\n"


_PROFTPD = """\
LoadModule mod_sftp.c
ServerType standalone
ServerName office
DefaultAddress 127.0.0.1
Port {port}
UseIPv6 off
User {user}
Group {user}
PidFile {folder}/pid
ScoreboardFile {folder}/scoreboard
DelayEngine off
WtmpLog none
TransferLog none
AuthOrder mod_auth_file.c
AuthUserFile {folder}/users
RequireValidShell off
SFTPEngine on
SFTPLog {folder}/sftp.log
SFTPHostKey {key}
SFTPAuthMethods publickey password
SFTPRekey required 3600 8
SFTPAuthorizedUserKeys file:{folder}/keys
<Limit WRITE>
    DenyAll
</Limit>
"""

ALL: dict[str, Start] = {"OpenSSH": openssh, "ProFTPD": proftpd, "Dropbear": dropbear}

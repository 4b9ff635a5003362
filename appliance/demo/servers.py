"""Starts real servers on loopback as children: OpenSSH's sshd, nginx with TLS, rclone's S3.

Each keeps everything it writes in a folder of its own, runs as whoever we are, and ends with
the block that started it, or with us. Start them from the main thread: the kernel ends a child
when the *thread* that made it ends.
"""

from __future__ import annotations

import os
import pwd
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from ..core.errors import ToolFailed
from ..system import process
from .authority import Authority, SshKey, new_ssh_key, write_private

_READY_WITHIN_SECONDS = 20.0
_LOOK_EVERY_SECONDS = 0.02


def free_port() -> int:
    """Return a loopback port that nobody listens on now; the kernel hands out each but rarely."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(
    argv: Sequence[str], port: int, *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Iterator[process.Running]:
    """Run a server for the length of the block; it accepts connections when the block begins.

    Raise ToolFailed with its last words if it does not come up.
    """
    heard: list[str] = []
    with process.started(argv, env=env, cwd=cwd, on_error_line=heard.append) as running:
        _wait_until_listening(running, port, heard)
        yield running


def _wait_until_listening(running: process.Running, port: int, heard: list[str]) -> None:
    pause, give_up = threading.Event(), monotonic() + _READY_WITHIN_SECONDS
    while running.alive and monotonic() < give_up:
        with socket.socket() as caller:
            caller.settimeout(1)
            if caller.connect_ex(("127.0.0.1", port)) == 0:
                return
        pause.wait(_LOOK_EVERY_SECONDS)
    if not running.alive:
        running.result()  # it has said its last word then
    raise ToolFailed("A server of the demo did not start.", detail="\n".join(heard[-20:]))


@dataclass(frozen=True, slots=True)
class Sshd:
    """A running sshd: where it is and how to get in (by key only: passwords need root's PAM)."""

    port: int
    user: str
    user_key: SshKey
    host_key: SshKey
    root: str
    """What to put before a path: empty, as logins start in the served folder, or that folder."""
    authorized_keys: Path
    host: str = "127.0.0.1"

    @property
    def known_hosts_line(self) -> str:
        """The host key as it stands in a known_hosts file."""
        return f"[{self.host}]:{self.port} {self.host_key.public_line}"


@contextmanager
def sshd(
    folder: Path,
    root: Path,
    *,
    shell: bool = False,
    port: int | None = None,
    extra: str = "",
) -> Iterator[Sshd]:
    """Serve `root` read-only over SFTP or, with `shell`, give a shell in which borg is found.

    `extra` are lines for sshd_config that win over ours. Keys in `folder` are kept, so that a
    server started there again is the same one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    user = pwd.getpwuid(os.getuid()).pw_name
    host_key, user_key = _kept_key(folder / "host_key"), _kept_key(folder / "user_key")
    authorized = folder / "authorized_keys"
    if not authorized.exists():
        authorized.write_text(user_key.public_line + "\n")
    port = port or free_port()
    config = folder / "sshd_config"
    service = f"internal-sftp -R -d {root}" if _plain(root) else "internal-sftp -R"
    last = _shell_lines(folder) if shell else f"ForceCommand {service}"
    keys = (host_key.private, authorized)
    config.write_text("\n".join([extra, *_sshd_config(port, *keys, service), last, ""]))
    argv = [process.find("sshd"), "-D", "-e", "-f", str(config)]
    with serving(_with_separation_folder(argv), port):
        before = "" if _plain(root) else f"{root}/"
        yield Sshd(port, user, user_key, host_key, before, authorized)


def _plain(root: Path) -> bool:
    """Whether sshd can name it: it splits the arguments of internal-sftp at blanks."""
    return " " not in str(root)


def _sshd_config(port: int, host_key: Path, authorized: Path, service: str) -> list[str]:
    return [
        f"Port {port}",
        "ListenAddress 127.0.0.1",
        f'HostKey "{host_key}"',
        f'AuthorizedKeysFile "{authorized}"',
        "PidFile none",
        "UsePAM no",
        "StrictModes no",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "PermitRootLogin prohibit-password",
        "UseDNS no",
        f"Subsystem sftp {service}",
    ]


def _kept_key(path: Path) -> SshKey:
    public = path.with_name(path.name + ".pub")
    if path.exists() and public.exists():
        return SshKey(path, public.read_text().strip())
    return new_ssh_key(path)


def _shell_lines(folder: Path) -> str:
    borg = Path(process.find("borg")).parent
    return f'SetEnv "PATH={borg}:/usr/bin:/bin" "BORG_BASE_DIR={folder / "borg"}"'


def _with_separation_folder(argv: Sequence[str]) -> list[str]:
    """Give root's sshd the /run/sshd it insists on, where no ssh service ever made one.

    It is made in a mount namespace of its own, so that nobody else sees it; only where that
    is not allowed (some containers) it is made for real, as the ssh service would.
    """
    if os.getuid() != 0 or Path("/run/sshd").is_dir():
        return list(argv)
    inside = 'mount -t tmpfs none /run && mkdir -m 755 /run/sshd && exec "$@"'
    script = (
        f"unshare --mount sh -c 'mount -t tmpfs none /run' 2>/dev/null &&"
        f" exec unshare --mount sh -c '{inside}' sshd \"$@\";"
        ' mkdir -p -m 755 /run/sshd && exec "$@"'
    )
    return ["sh", "-c", script, "sshd", *argv]


@dataclass(frozen=True, slots=True)
class Https:
    """A running nginx with TLS. Under each of `/open /basic /bearer /header /query` it serves
    the same folder, and asks there for what the name says.
    """

    port: int
    ca_file: Path
    access_log: Path
    """One line per request: status, method, host, URI, the Authorization header in quotes."""
    user: str = "office"
    password: str = "s3same-open"  # noqa: S105 - protects nothing but the demo
    token: str = "demo-token-4711"  # noqa: S105 - as above
    header: str = "X-Api-Key"
    parameter: str = "api_key"
    host: str = "localhost"

    def url(self, path: str) -> str:
        """Given `/open/file`, return the whole address."""
        return f"https://{self.host}:{self.port}{path}"

    def requests_seen(self, at_least: int = 0) -> list[str]:
        """Return the lines of the access log; nginx writes a line only after it answered."""
        pause, give_up = threading.Event(), monotonic() + _READY_WITHIN_SECONDS
        while len(lines := self._logged()) < at_least and monotonic() < give_up:
            pause.wait(_LOOK_EVERY_SECONDS)
        return lines

    def _logged(self) -> list[str]:
        return self.access_log.read_text().splitlines() if self.access_log.exists() else []


@contextmanager
def https(
    folder: Path,
    root: Path,
    authority: Authority | None = None,
    *,
    port: int | None = None,
    extra: str = "",
) -> Iterator[Https]:
    """Serve `root` over TLS; `extra` are more nginx `location`s for the server block."""
    folder.mkdir(parents=True, exist_ok=True)
    authority = authority or Authority(folder / "ca")
    port = port or free_port()
    server = Https(port, authority.certificate, folder / "access.log")
    pair = authority.issue(f"server-{port}")
    write_private(folder / "htpasswd", f"{server.user}:{{PLAIN}}{server.password}\n".encode())
    config = folder / "nginx.conf"
    ends = {"certificate": pair.certificate, "key": pair.key, "folder": folder, "root": root}
    config.write_text(_nginx_config(server, {k: str(v) for k, v in ends.items()}, extra))
    argv = [process.find("nginx"), "-p", str(folder), "-e", "stderr", "-c", str(config)]
    with serving(argv, port):
        yield server


def _nginx_config(server: Https, where: Mapping[str, str], extra: str) -> str:
    temporary = "\n".join(
        f'{kind}_temp_path "{where["folder"]}/{kind}";'
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = f"user {pwd.getpwuid(0).pw_name} root;" if os.getuid() == 0 else ""
    return f"""\
daemon off;
worker_processes 1;
pid "{where["folder"]}/nginx.pid";
{user}
events {{ worker_connections 256; }}
http {{
{temporary}
types {{ application/zip zip; text/csv csv; }}
default_type application/octet-stream;
log_format seen '$status $request_method $http_host $request_uri "$http_authorization"';
access_log "{server.access_log}" seen;
server {{
    listen 127.0.0.1:{server.port} ssl;
    server_name {server.host} 127.0.0.1;
    ssl_certificate "{where["certificate"]}";
    ssl_certificate_key "{where["key"]}";
    location /open/ {{ alias "{where["root"]}/"; }}
    location /basic/ {{
        auth_basic "Office";
        auth_basic_user_file "{where["folder"]}/htpasswd";
        alias "{where["root"]}/";
    }}
    location /bearer/ {{
        if ($http_authorization != "Bearer {server.token}") {{ return 401; }}
        alias "{where["root"]}/";
    }}
    location /header/ {{
        if ($http_{server.header.lower().replace("-", "_")} != "{server.token}") {{ return 403; }}
        alias "{where["root"]}/";
    }}
    location /query/ {{
        if ($arg_{server.parameter} != "{server.token}") {{ return 403; }}
        alias "{where["root"]}/";
    }}
{extra}
}}
}}
"""


@dataclass(frozen=True, slots=True)
class S3:
    """A running S3 server and how rclone reaches it."""

    endpoint: str
    bucket: str
    bucket_folder: Path | None
    """Where the bucket's objects lie as files, if they do."""
    access_key: str = "demo-access"
    secret_key: str = "demo-secret-key"  # noqa: S105 - protects nothing but the demo
    provider: str = "Rclone"
    remote_name: str = field(default="cloud")

    @property
    def remote(self) -> str:
        """What the configuration calls the bucket: `cloud:office`."""
        return f"{self.remote_name}:{self.bucket}"

    def write_rclone_config(self, path: Path) -> Path:
        """Write an rclone.conf that knows this server as `cloud`, and return its path."""
        lines = [
            f"[{self.remote_name}]",
            "type = s3",
            f"provider = {self.provider}",
            f"endpoint = {self.endpoint}",
            f"access_key_id = {self.access_key}",
            f"secret_access_key = {self.secret_key}",
            "region = us-east-1",
            "force_path_style = true",
        ]
        write_private(path, "\n".join([*lines, ""]).encode())
        return path


@contextmanager
def s3(folder: Path, *, bucket: str = "office", port: int | None = None) -> Iterator[S3]:
    """Serve a folder below `folder` as one S3 bucket."""
    objects = folder / "buckets" / bucket
    objects.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    server = S3(f"http://127.0.0.1:{port}", bucket, objects)
    config = folder / "server.conf"
    config.touch()
    argv = [process.find("rclone"), "serve", "s3", "--addr", f"127.0.0.1:{port}"]
    argv += ["--config", str(config), "--cache-dir", str(folder / "cache")]
    argv += ["--vfs-cache-mode", "off", str(folder / "buckets")]
    secret = {"RCLONE_AUTH_KEY": f'"{server.access_key},{server.secret_key}"'}
    with serving(argv, port, env=secret):
        yield server

"""The only home of paramiko: brings exports over SFTP from a server whose key was confirmed.

Nothing here can write to the server: files are opened for reading, folders are listed.
"""

from __future__ import annotations

import io
import logging
import socket
import stat
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import paramiko
from paramiko.buffered_pipe import PipeTimeout
from paramiko.sftp import (
    CMD_CLOSE,
    CMD_EXTENDED,
    CMD_EXTENDED_REPLY,
    CMD_HANDLE,
    CMD_NAME,
    CMD_OPENDIR,
    CMD_READDIR,
    SFTPError,
)
from paramiko.ssh_exception import IncompatiblePeer, PasswordRequiredException

from ..core.errors import (
    ApplianceError,
    ExportNotReady,
    ExportUnsafe,
    SourceRefused,
    SourceUnreachable,
)
from ..core.model import Export, SeenFile
from ..core.ports import Watch
from . import hostkeys
from .hostkeys import HostKey
from .landing import Landing, clean_name
from .picking import Entry, instant, is_candidate, newest_of, wait_until_still
from .pipe import LARGE_BLOCK_BYTES, SMALL_BLOCK_BYTES, Inflow, Pipe

_WINDOW_BYTES = 2 << 20  # larger ones make paramiko slower and let a hostile server send more
_MOST_ENTRIES = 200_000
_KEEPALIVE_SECONDS = 15
_CIPHERS = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
)
_MACS = (
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha2-256",
    "hmac-sha2-512",
)
_KINDS = (
    ("ssh-ed25519",),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    ("rsa-sha2-512", "rsa-sha2-256"),
)
_ALL_KINDS = tuple(kind for family in _KINDS for kind in family)
_KEY_CLASSES = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)

logging.getLogger("paramiko").addHandler(logging.NullHandler())  # our errors say it


@dataclass(frozen=True, slots=True)
class SftpSettings:
    """Where the exports are and how to get in; plain JSON values, so that a child can be told."""

    name: str
    host: str
    user: str
    port: int = 22
    password: str = ""
    key: str = ""
    """A private key as PEM text; goes before `key_file`, and both before the password."""
    key_file: str = ""
    key_passphrase: str = ""
    host_key: str = ""
    """`SHA256:...`; where empty, `known_hosts` must have the key."""
    known_hosts: str = ""
    path: str = "."
    pick: Sequence[str] = ("*",)
    newest: int = 1
    """How many, by modification time; 0 = all that no Run archived yet."""
    stable_for_seconds: float = 120.0
    max_bytes: int = 1 << 40
    reserve_bytes: int = 1 << 30
    connect_seconds: float = 30.0
    idle_seconds: float = 120.0
    min_rate_bytes_per_second: int = 1024
    total_seconds: float | None = None


def pull(
    settings: SftpSettings, into: Path, pulled_at: datetime, seen: Sequence[SeenFile], watch: Watch
) -> Export | None:
    """Given an empty folder, bring the chosen files into it; return None where all were seen.

    Raise SourceUnreachable, SourceRefused, ExportNotReady, ExportUnsafe, DiskFull or Cancelled.
    """
    with _folder(settings, watch) as folder:
        if not folder.choose(seen):
            return None
        chosen = wait_until_still(
            lambda: folder.choose(seen),
            folder.has_rested,
            timedelta(seconds=settings.stable_for_seconds),
            watch,
            some_will_do=settings.newest == 0,
        )
        if not chosen:
            return None
        landing = _landing(settings, into, watch)
        landing.expect(sum(entry.size_bytes for entry in chosen))
        for entry in chosen:
            folder.fetch(entry, landing)
        return Export(settings.name, landing.files, pulled_at)


def trust(settings: SftpSettings) -> HostKey:
    """Return the key the server shows now, sending no name and no secret.

    Raise SourceUnreachable or SourceRefused.
    """
    transport = _greet(settings, _ALL_KINDS)
    try:
        return _shown(transport, settings)
    finally:
        transport.close()


def _landing(settings: SftpSettings, into: Path, watch: Watch) -> Landing:
    return Landing(
        into,
        settings.max_bytes,
        settings.reserve_bytes,
        watch,
        min_rate_bytes_per_second=settings.min_rate_bytes_per_second,
        total_seconds=settings.total_seconds,
    )


class _Client(paramiko.SFTPClient):
    """Paramiko's client, which also survives names that are not UTF-8 and endless folders."""

    def ask(self, what: int, *about: bytes | str) -> tuple[int, paramiko.Message]:
        """Send one request and return the kind of the answer and the answer."""
        request: Callable[..., tuple[int, paramiko.Message]] = self._request  # type: ignore[attr-defined]
        return request(what, *about)

    def entries(self, path: bytes) -> Iterator[tuple[bytes, paramiko.SFTPAttributes]]:
        """Yield name and attributes of everything in a folder."""
        kind, message = self.ask(CMD_OPENDIR, path)
        if kind != CMD_HANDLE:
            raise SFTPError("expected a handle")
        handle = message.get_binary()
        for _ in range(_MOST_ENTRIES):
            try:
                kind, message = self.ask(CMD_READDIR, handle)
            except EOFError:
                self.ask(CMD_CLOSE, handle)
                return
            yield from self._names(kind, message)
        raise SFTPError("a folder without end")

    def _names(
        self, kind: int, message: paramiko.Message
    ) -> Iterator[tuple[bytes, paramiko.SFTPAttributes]]:
        count = message.get_int()
        if kind != CMD_NAME or count > _MOST_ENTRIES:
            raise SFTPError("expected names")
        for _ in range(count):
            name, _long = message.get_binary(), message.get_binary()
            parse = paramiko.SFTPAttributes._from_msg  # type: ignore[attr-defined]  # noqa: SLF001 - its only parser
            yield name, parse(message)

    def block_bytes(self) -> int:
        """Return how much one answer may hold, as limits@openssh.com says where it is known."""
        try:
            kind, message = self.ask(CMD_EXTENDED, "limits@openssh.com")
        except OSError:
            return SMALL_BLOCK_BYTES
        if kind != CMD_EXTENDED_REPLY:
            return SMALL_BLOCK_BYTES
        _packet, most = message.get_int64(), int(message.get_int64())
        return min(max(most, SMALL_BLOCK_BYTES), LARGE_BLOCK_BYTES)


class _Folder:
    """The folder on the server that the exports are in."""

    def __init__(self, client: _Client, channel: paramiko.Channel, settings: SftpSettings) -> None:
        self._client = client
        self._channel = channel
        self._settings = settings
        self._block_bytes = client.block_bytes() if _knows_limits(channel) else SMALL_BLOCK_BYTES
        self._path = settings.path.encode() or b"."
        self._rested: dict[Entry, bool] = {}

    def choose(self, seen: Sequence[SeenFile]) -> tuple[Entry, ...]:
        """Return what to pull now, nothing where all of it was seen.

        Raise ExportNotReady where the folder has no candidate at all.
        """
        entries = tuple(self._candidates())
        if not entries:
            raise ExportNotReady("The server has no export in the folder yet.", hint=_LOOK_THERE)
        chosen = newest_of(entries, self._settings.newest)
        fresh = tuple(entry for entry in chosen if not entry.was_seen(seen))
        if self._settings.newest == 0 or not fresh:
            return fresh
        if not any(entry.size_bytes for entry in chosen):
            raise ExportNotReady("The newest export on the server is empty.", hint=_LOOK_THERE)
        return chosen

    def _candidates(self) -> Iterator[Entry]:
        with _conversation(f"open the folder {self._settings.path}"):
            listed = list(_bounded(self._client.entries(self._path)))
        for raw, attributes in listed:
            name = clean_name(raw)
            if _is_plain(raw) and is_candidate(name, self._settings.pick):
                entry = self._entry(name, raw, attributes)
                if entry:
                    yield entry

    def _entry(self, name: str, raw: bytes, attributes: paramiko.SFTPAttributes) -> Entry | None:
        if attributes.st_mode is None:  # the server lists names only
            attributes = self._look_at(raw)
        if attributes.st_mode is None or not stat.S_ISREG(attributes.st_mode):
            return None
        if attributes.st_size is None or attributes.st_mtime is None:
            raise ExportUnsafe("The server does not tell sizes and times of its files.")
        return Entry(name, raw, attributes.st_size, instant(attributes.st_mtime))

    def _look_at(self, raw: bytes) -> paramiko.SFTPAttributes:
        with _conversation("look at the export"):
            return self._client.lstat(self._within(raw))

    def _within(self, raw: bytes) -> bytes:
        return self._path.rstrip(b"/") + b"/" + raw

    def has_rested(self, entry: Entry) -> bool:
        """Whether the file was last written more than `stable_for` ago by the server's own clock.

        SFTP tells no time. But the server writes it down when somebody reads a file (the access
        time, where its disk keeps one) or changes a folder; the local clock is not asked.
        """
        if entry not in self._rested:
            age = self._server_time(entry) - entry.modified
            self._rested[entry] = age.total_seconds() >= self._settings.stable_for_seconds
        return self._rested[entry]

    def _server_time(self, entry: Entry) -> datetime:
        with _conversation("look at the export"):
            folder = self._client.stat(self._path)
            file = self._client.open(self._within(entry.raw), "rb")
            before = file.stat().st_atime
            file.read(1)
            after = file.stat().st_atime
            file.close()
        touched = after if after != before else None
        return instant(max(folder.st_mtime or 0, touched or 0))

    def fetch(self, entry: Entry, landing: Landing) -> None:
        """Bring one file, and prove that it was the same before, during and after."""
        with _conversation("open the export"):
            file = self._client.open(self._within(entry.raw), "rb")
            self._must_be(entry, file.stat())
        with landing.file(entry.raw, entry.size_bytes, entry.modified) as writer:
            for block in self._blocks(entry, cast("bytes", file.handle)):
                writer.write(block)
            self._must_be(entry, self._look_at(entry.raw))
        with _conversation("close the export"):
            file.close()

    def _blocks(self, entry: Entry, handle: bytes) -> Iterator[bytes]:
        size, block = entry.size_bytes, self._block_bytes
        try:
            with _conversation("read the export"):
                yield from Pipe(self._channel, handle, size, block_bytes=block)
        except ExportUnsafe:
            self._must_be(entry, self._look_at(entry.raw))
            raise

    @staticmethod
    def _must_be(entry: Entry, now: paramiko.SFTPAttributes) -> None:
        same = now.st_size == entry.size_bytes and instant(now.st_mtime or 0) == entry.modified
        if not same or (now.st_mode is not None and not stat.S_ISREG(now.st_mode)):
            raise ExportNotReady("The export changed while it was being copied.")


_LOOK_THERE = "Check `path` and `pick` of this source, and that the vendor still exports there."


def _is_plain(raw: bytes) -> bool:
    """Whether a name can be one of a file in the folder, and not of something elsewhere."""
    return raw not in (b"", b".", b"..") and b"/" not in raw and b"\0" not in raw


def _bounded(
    entries: Iterable[tuple[bytes, paramiko.SFTPAttributes]],
) -> Iterator[tuple[bytes, paramiko.SFTPAttributes]]:
    for number, entry in enumerate(entries):
        if number >= _MOST_ENTRIES:
            raise ExportUnsafe(f"The folder on the server has more than {_MOST_ENTRIES} entries.")
        yield entry


@contextmanager
def _folder(settings: SftpSettings, watch: Watch) -> Iterator[_Folder]:
    key = _private_key(settings)
    if key is None and not settings.password:
        raise SourceRefused("Neither a password nor a key is configured for this source.")
    transport = _confirmed(settings)
    try:
        _log_in(transport, settings, key)
        with _conversation("start a file transfer"):
            channel = _channel(transport, settings, watch)
            folder = _Folder(_Client(channel), channel, settings)
        yield folder
    finally:
        transport.close()


def _channel(
    transport: paramiko.Transport, settings: SftpSettings, watch: Watch
) -> paramiko.Channel:
    channel = transport.open_session(_WINDOW_BYTES, timeout=settings.connect_seconds)
    channel.in_buffer = Inflow(2 * _WINDOW_BYTES, PipeTimeout, watch.check)  # type: ignore[assignment]
    channel.settimeout(settings.idle_seconds)
    channel.invoke_subsystem("sftp")
    return channel


def _knows_limits(channel: paramiko.Channel) -> bool:
    """Whether the server surely answers a question it does not know with "unsupported"."""
    return "OpenSSH" in channel.get_transport().remote_version


def _confirmed(settings: SftpSettings) -> paramiko.Transport:
    """Connect and compare the server's key with the pinned one, before any name or secret."""
    pins = _pins(settings)
    if not pins:
        raise SourceRefused(
            f"Nobody has confirmed yet that {settings.host} is the right server.",
            hint=f"Run `appliance trust {settings.name}` and compare the fingerprint.",
        )
    shown: list[str] = []
    for kinds in _orders(settings):
        try:
            transport = _greet(settings, kinds)
        except SourceRefused:
            if shown:
                continue  # it has no key of this kind
            raise
        key = _shown(transport, settings)
        if key.fingerprint in pins:
            return transport
        transport.close()
        shown.append(key.fingerprint)
    raise SourceRefused(
        f"{settings.host} shows another host key than the one that was confirmed. It may be a"
        " different computer that answers in its name; nothing was sent to it.",
        hint="Ask whoever runs the server. If the key was really changed, run"
        f" `appliance trust {settings.name}`.",
        detail=f"confirmed {', '.join(sorted(pins))}; shown {', '.join(shown)}",
    )


def _pins(settings: SftpSettings) -> frozenset[str]:
    if settings.host_key:
        return frozenset({"SHA256:" + settings.host_key.removeprefix("SHA256:").rstrip("=")})
    return frozenset(key.fingerprint for key in _known(settings))


def _known(settings: SftpSettings) -> tuple[HostKey, ...]:
    if not settings.known_hosts:
        return ()
    return hostkeys.pinned(Path(settings.known_hosts), settings.host, settings.port)


def _orders(settings: SftpSettings) -> Iterator[tuple[str, ...]]:
    """Yield in which order to ask for kinds of host keys: a server has several and shows one."""
    if settings.host_key:  # a fingerprint does not say its kind
        yield _ALL_KINDS
        yield from _KINDS
        return
    known = {key.kind for key in _known(settings)}
    known |= {"rsa-sha2-512", "rsa-sha2-256"} if "ssh-rsa" in known else set()
    yield tuple(sorted(_ALL_KINDS, key=lambda kind: kind not in known))


def _shown(transport: paramiko.Transport, settings: SftpSettings) -> HostKey:
    key = transport.get_remote_server_key()
    return HostKey(settings.host, settings.port, key.get_name(), key.asbytes())


def _greet(settings: SftpSettings, kinds: tuple[str, ...]) -> paramiko.Transport:
    connection = _connect(settings)
    transport = paramiko.Transport(connection)
    transport.banner_timeout = transport.handshake_timeout = settings.connect_seconds
    transport.auth_timeout = settings.connect_seconds
    options = transport.get_security_options()
    options.ciphers, options.digests, options.key_types = _CIPHERS, _MACS, kinds
    try:
        with _conversation("agree on encryption"):
            transport.start_client(timeout=settings.connect_seconds)
            _must_have_keys(transport)
        transport.set_keepalive(_KEEPALIVE_SECONDS)
    except BaseException:
        transport.close()
        raise
    return transport


def _must_have_keys(transport: paramiko.Transport) -> None:
    if not transport.initial_kex_done:  # paramiko does not tell that its time was up
        raise TimeoutError("the key exchange took too long")


def _connect(settings: SftpSettings) -> socket.socket:
    place = f"{settings.host}, port {settings.port}"
    try:
        connection = socket.create_connection(
            (settings.host, settings.port), settings.connect_seconds
        )
    except (socket.gaierror, UnicodeError) as error:
        message = f"There is no server named {settings.host}, or names cannot be looked up now."
        raise SourceUnreachable(message, detail=str(error)) from error
    except ConnectionRefusedError as error:
        message = f"Nothing answers at {place}: the connection was refused."
        raise SourceUnreachable(message, detail=str(error)) from error
    except OSError as error:
        message = f"{place} cannot be reached."
        raise SourceUnreachable(message, detail=str(error)) from error
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _log_in(
    transport: paramiko.Transport, settings: SftpSettings, key: paramiko.PKey | None
) -> None:
    """Show the key, and the password where that is not enough."""
    refused: paramiko.AuthenticationException | None = None
    for method in ("key", "password"):
        try:
            if method == "key" and key is not None:
                transport.auth_publickey(settings.user, key)
            elif method == "password" and settings.password:
                transport.auth_password(settings.user, settings.password)
        except paramiko.AuthenticationException as error:
            refused = error
            if not transport.is_active():
                break
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise _broke_off("log in", error) from error
        if transport.is_authenticated():
            return
    raise _not_let_in(transport, settings, refused)


def _not_let_in(
    transport: paramiko.Transport,
    settings: SftpSettings,
    refused: paramiko.AuthenticationException | None,
) -> ApplianceError:
    if not transport.is_active() or "timeout" in str(refused).lower():
        return _broke_off("log in", refused or EOFError("no answer"))
    shown = " or ".join([word for word, there in _credentials(settings) if there])
    return SourceRefused(
        f"{settings.host} did not accept the user name {settings.user} or the {shown}.",
        hint=f"Check the user name and the {shown} of this source with whoever runs the server.",
        detail=str(refused or "the server wants more than we have"),
    )


def _credentials(settings: SftpSettings) -> tuple[tuple[str, bool], ...]:
    return ("key", bool(settings.key or settings.key_file)), ("password", bool(settings.password))


def _private_key(settings: SftpSettings) -> paramiko.PKey | None:
    """Return the configured key, None where there is none; raise SourceRefused if unusable."""
    text = settings.key
    if not text and settings.key_file:
        try:
            text = Path(settings.key_file).read_text("ascii")
        except (OSError, UnicodeError) as error:
            raise SourceRefused(
                f"The key file {settings.key_file} cannot be read.",
                hint="Check `key_file` of this source and the file's permissions.",
                detail=type(error).__name__,
            ) from error
    return _parsed(text.strip() + "\n", settings.key_passphrase or None) if text else None


def _parsed(text: str, passphrase: str | None) -> paramiko.PKey:
    for kind in _KEY_CLASSES:
        try:
            return kind.from_private_key(io.StringIO(text), passphrase)
        except PasswordRequiredException as error:
            raise SourceRefused(
                "The private key is protected by a passphrase, and none is configured.",
                hint="Set `key_passphrase` of this source.",
            ) from error
        except (paramiko.SSHException, ValueError, IndexError, TypeError, struct.error):
            continue  # another kind of key, or nothing we can read
    if (passphrase and "ENCRYPTED" in text) or (passphrase and "OPENSSH" in text):
        message = "The private key cannot be opened with the passphrase that is configured."
        raise SourceRefused(message, hint="Check `key_passphrase` of this source.")
    message = "The private key is of a kind that is not supported, or damaged."
    raise SourceRefused(message, hint="Use an Ed25519, ECDSA or RSA key in OpenSSH's format.")


@contextmanager
def _conversation(what: str) -> Iterator[None]:
    """Turn whatever a broken or hostile server makes paramiko raise into one of our errors."""
    try:
        yield
    except ApplianceError:
        raise
    except IncompatiblePeer as error:
        raise SourceRefused(
            "The server offers only outdated encryption that is no longer safe.",
            hint="Ask whoever runs the server to update its SSH software.",
            detail=str(error),
        ) from error
    except FileNotFoundError as error:
        raise ExportNotReady(
            f"The server says there is nothing: {what}.", hint=_LOOK_THERE
        ) from error
    except PermissionError as error:
        raise SourceRefused(
            f"The server does not allow us to {what}.",
            hint="Ask whoever runs the server to give this user the right to read it.",
        ) from error
    except (*_BROKEN, OSError) as error:
        raise _broke_off(what, error) from error


_BROKEN = (
    paramiko.SSHException,
    SFTPError,
    EOFError,
    ValueError,  # UnicodeError is one
    OverflowError,
    IndexError,
    struct.error,
)


def _broke_off(what: str, error: BaseException) -> SourceUnreachable:
    why = "did not answer in time" if isinstance(error, TimeoutError) else "broke off"
    return SourceUnreachable(
        f"The server {why} when we wanted to {what}.", detail=f"{type(error).__name__}: {error}"
    )

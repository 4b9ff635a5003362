"""The only home of who is who over SSH: the server's key first, then our name and secret."""

from __future__ import annotations

import io
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import paramiko
from paramiko.ssh_exception import IncompatiblePeer, PasswordRequiredException

from ...core.errors import ApplianceError, SourceRefused, SourceUnreachable
from .. import hostkeys
from ..hostkeys import HostKey
from .conversation import broke_off, conversation
from .settings import SftpSettings

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
ALL_KINDS = tuple(kind for family in _KINDS for kind in family)
_NO_SUCH_KEY = (IncompatiblePeer, EOFError, ConnectionResetError)
"""What comes of asking for a kind of key that it lacks: Dropbear hangs up without a word."""
_KEY_CLASSES = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)


def confirmed(settings: SftpSettings) -> paramiko.Transport:
    """Connect and compare the server's key with the pinned one, before any name or secret."""
    pins = fingerprints(settings)
    if not pins:
        raise SourceRefused(
            f"Nobody has confirmed yet that {settings.host} is the right server.",
            hint=f"Run `appliance trust {settings.name}` and compare the fingerprint.",
        )
    shown: list[str] = []
    for kinds in _orders(settings):
        try:
            transport = greet(settings, kinds)
        except (SourceRefused, SourceUnreachable) as error:
            if shown and isinstance(error.__cause__, _NO_SUCH_KEY):
                continue
            raise
        key = shown_key(transport, settings)
        if key.fingerprint in pins:
            return transport
        transport.close()
        shown.append(key.fingerprint)
    raise SourceRefused(
        f"{settings.host} shows another host key than the one that was confirmed. It may be a"
        " different computer that answers in its name; nothing was sent to it.",
        hint="Ask whoever runs the server. If the key was really changed, run"
        f" `appliance trust {settings.name}`.",
        detail=f"confirmed {', '.join(sorted(pins))}; shown {', '.join(dict.fromkeys(shown))}",
    )


def fingerprints(settings: SftpSettings) -> frozenset[str]:
    """Return the fingerprints that somebody confirmed of this server."""
    if settings.host_key:
        return frozenset({"SHA256:" + settings.host_key.removeprefix("SHA256:").rstrip("=")})
    return frozenset(key.fingerprint for key in _known(settings))


def _known(settings: SftpSettings) -> tuple[HostKey, ...]:
    if not settings.known_hosts:
        return ()
    try:
        return hostkeys.pinned(Path(settings.known_hosts), settings.host, settings.port)
    except OSError as error:
        message = f"The confirmed host keys in {settings.known_hosts} cannot be read."
        raise SourceRefused(message, hint="Check the file's permissions.") from error


def _orders(settings: SftpSettings) -> Iterator[tuple[str, ...]]:
    """Yield in which order to ask for kinds of host keys: a server has several and shows one."""
    if settings.host_key:  # a fingerprint does not say its kind
        yield ALL_KINDS
        yield from _KINDS
        return
    known = {key.kind for key in _known(settings)}
    known |= {"rsa-sha2-512", "rsa-sha2-256"} if "ssh-rsa" in known else set()
    yield tuple(sorted(ALL_KINDS, key=lambda kind: kind not in known))


def shown_key(transport: paramiko.Transport, settings: SftpSettings) -> HostKey:
    """Return the key that the server proved to have."""
    key = transport.get_remote_server_key()
    return HostKey(settings.host, settings.port, key.get_name(), key.asbytes())


def greet(settings: SftpSettings, kinds: tuple[str, ...]) -> paramiko.Transport:
    """Connect and agree on encryption, preferring host keys of `kinds`; send no name or secret.

    Raise SourceUnreachable, or SourceRefused where only outdated algorithms are offered.
    """
    connection = _connect(settings)
    transport = paramiko.Transport(connection)
    transport.banner_timeout = transport.handshake_timeout = settings.connect_seconds
    transport.auth_timeout = settings.connect_seconds
    options = transport.get_security_options()
    options.ciphers, options.digests, options.key_types = _CIPHERS, _MACS, kinds
    try:
        with conversation("agree on encryption"):
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


def log_in(
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
            raise broke_off("log in", error) from error
        if transport.is_authenticated():
            return
    raise _not_let_in(transport, settings, refused)


def _not_let_in(
    transport: paramiko.Transport,
    settings: SftpSettings,
    refused: paramiko.AuthenticationException | None,
) -> ApplianceError:
    if "timeout" in str(refused).lower():
        return broke_off("log in", refused or EOFError("no answer"))
    shown = " or ".join([word for word, there in _credentials(settings) if there])
    if not transport.is_active():  # OpenSSH says no at the last try that it allows by hanging up
        return SourceUnreachable(
            f"{settings.host} hung up when we wanted to log in.",
            hint="It is tried again by itself. If it goes on, check the user name and the"
            f" {shown}: some servers hang up on wrong ones.",
            detail=str(refused or "no answer"),
        )
    return SourceRefused(
        f"{settings.host} did not accept the user name {settings.user} or the {shown}.",
        hint=f"Check the user name and the {shown} of this source with whoever runs the server.",
        detail=str(refused or "the server wants more than we have"),
    )


def _credentials(settings: SftpSettings) -> tuple[tuple[str, bool], ...]:
    return ("key", bool(settings.key or settings.key_file)), ("password", bool(settings.password))


def private_key(settings: SftpSettings) -> paramiko.PKey | None:
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

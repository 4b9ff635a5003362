"""The only home of pinned host keys: what a server showed, and the file that remembers it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path


@dataclass(frozen=True, slots=True)
class HostKey:
    """The public key a server showed."""

    host: str
    port: int
    kind: str
    """`ssh-ed25519`, `ecdsa-sha2-nistp256`, `ssh-rsa` …"""
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` prints it: `SHA256:` and unpadded base64."""
        digest = hashlib.sha256(self.blob).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")

    @property
    def place(self) -> str:
        """The server as known_hosts names it (sshd(8)): bare on port 22, else `[host]:port`."""
        return self.host if self.port == 22 else f"[{self.host}]:{self.port}"

    @property
    def line(self) -> str:
        """The line for a known_hosts file."""
        return f"{self.place} {self.kind} {base64.b64encode(self.blob).decode()}"


def pinned(known_hosts: Path, host: str, port: int) -> tuple[HostKey, ...]:
    """Return the keys a known_hosts file has for a server; none where there is no such file.

    Comments, hashed names and lines with markers are passed over.
    """
    if not known_hosts.is_file():
        return ()
    text = known_hosts.read_text("utf-8", "replace")
    return tuple(key for key in _keys(text, host, port) if key)


def _keys(text: str, host: str, port: int) -> Iterator[HostKey]:
    places = {f"[{host}]:{port}"} | ({host} if port == 22 else set())
    for line in text.splitlines():
        words = line.split()
        if len(words) < 3 or not places & set(words[0].split(",")):
            continue
        try:
            yield HostKey(host, port, words[1], base64.b64decode(words[2], validate=True))
        except binascii.Error:
            continue


def pin(known_hosts: Path, key: HostKey, today: date) -> None:
    """Make `key` the only one that is believed of its server; what it replaces becomes a comment.

    The file is replaced durably: after a power cut it is the old one or the new one.
    """
    old = known_hosts.read_text("utf-8").splitlines() if known_hosts.is_file() else []
    kept = [_retired(line, key, today) for line in old if line != key.line]
    _replace(known_hosts, "\n".join([*kept, key.line]) + "\n")


def _retired(line: str, key: HostKey, today: date) -> str:
    is_same_server = any(_keys(line, key.host, key.port))
    return f"# replaced {today:%Y-%m-%d}: {line}" if is_same_server else line


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o644)  # public, and read by the worker whoever wrote it
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

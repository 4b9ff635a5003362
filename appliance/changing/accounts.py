"""An account with a cloud as somebody pasted it: the settings that rclone may be given.

Part of the rim. rclone's own file can name programs to start, files to read and other remotes to
lean on. What comes from the page names a provider and what opens it, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

PROVIDERS = (
    *("s3", "b2", "azureblob", "google cloud storage", "drive", "dropbox", "onedrive", "swift"),
    *("webdav", "pcloud", "box", "jottacloud", "storj", "mega", "koofr", "hidrive", "protondrive"),
    *("opendrive", "yandex", "pikpak", "oracleobjectstorage", "qingstor", "sharefile", "zoho"),
)
_HEADER = re.compile(r"\[([A-Za-z0-9_][A-Za-z0-9_-]{0,63})\]")
_KEY = re.compile(r"[a-z][a-z0-9_]*")
_RUNS_OR_READS = re.compile(r"command|(^|_)file($|_)|config|profile|^ssh$|^use_az$|socket|proxy")
_ADDRESSES = ("url", "endpoint", "auth", "token_url", "auth_url", "sts_endpoint", "storage_url")
_SWITCHES = ("env_auth", "env_credentials")
"""Whether keys are looked for elsewhere on the box."""
_UNPROTECTED = ("localhost", "127.0.0.1", "::1")


class NoAccount(ValueError):
    """Raised where a text is no account that the page may set; says why."""


@dataclass(frozen=True, slots=True)
class Account:
    """One remote: its name in the text, its provider, and the file that rclone is given."""

    name: str
    provider: str
    text: str


def read(text: str) -> Account:
    """Given what `rclone config show NAME` prints, return the account; raise NoAccount."""
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and line[0] not in "#;"]
    header = _HEADER.fullmatch(lines[0]) if lines else None
    if header is None:
        raise NoAccount("begin with a line such as [office], as `rclone config show` prints it")
    values = dict(_values(lines[1:]))
    provider = values.get("type", "")
    if provider not in PROVIDERS:
        raise NoAccount(
            f"“{provider[:40]}” cannot be set up here; the line `type =` names one of: "
            + ", ".join(PROVIDERS)
        )
    body = [f"{key} = {value}\n" for key, value in values.items()]
    return Account(header[1], provider, "".join([f"[{header[1]}]\n", *body]))


def _values(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        key, equals, value = (part.strip() for part in line.partition("="))
        if line.startswith("["):
            raise NoAccount("paste one account only: there is a second line in square brackets")
        if not equals or not _KEY.fullmatch(key):
            raise NoAccount("each line but the first is written like `type = b2`")
        _require_harmless(key, value)
        yield key, value


def _require_harmless(key: str, value: str) -> None:
    if _RUNS_OR_READS.search(key) or (key in _SWITCHES and value != "false"):
        raise NoAccount(f"`{key}` starts a program or reads a file of the box; leave it out")
    if not value.isprintable() or value.endswith("\\") or value.startswith(("`", '"""')):
        raise NoAccount(f"the value of `{key}` cannot be read; write it on one line")
    if "%(" in value:
        raise NoAccount(f"the value of `{key}` must not have %( in it")
    if key in _ADDRESSES and value:
        _require_protected(key, value)


def _require_protected(key: str, value: str) -> None:
    parts = urlsplit(value if "//" in value else f"https://{value}")
    if parts.scheme != "https" and parts.hostname not in _UNPROTECTED:
        raise NoAccount(f"the address in `{key}` must begin with https://")

"""A source's section turned into what its child is told: plain values, secrets filled in.

Part of the rim.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from .config import (
    AnySource,
    CardDavSource,
    CommonSource,
    HttpSource,
    InboxSource,
    RecipeSource,
    SftpSource,
)
from .config import given as giving
from .config import recipes as written
from .core import sign_ins
from .sign_ins import awaited_secret, login_of, token_name
from .sources.inbox import InboxSettings
from .sources.links import waiting as links
from .system.secrets import Secrets
from .system.sign_ins import FOLDER, SignIns


@dataclass(frozen=True, slots=True)
class Supplies:
    """What a source needs of the box besides its own section."""

    secrets: Secrets
    known_hosts: Path
    reserve_bytes: int
    """Room that is left free where exports are staged."""
    state: Path | None = None
    """Where is remembered what an inbox's links led to; None: it is not."""

    @property
    def sign_ins(self) -> SignIns:
        """Where it is known how sign-ins at vendors stand: beside the secrets."""
        return SignIns(self.secrets.folder.parent / FOLDER)

    def secret(self, name: str | None) -> str:
        """Return a secret, empty where none is named; raise ConfigError where it is missing."""
        return self.secrets.get(name) if name else ""


def source_settings(source: AnySource, supplies: Supplies) -> dict[str, object]:
    """Given a source, return its settings as plain JSON values, secrets filled in."""
    if isinstance(source, InboxSource):
        return asdict(inbox_settings(source, supplies))
    common = {
        "name": source.name,
        "max_bytes": source.limits.size,
        "reserve_bytes": supplies.reserve_bytes,
        "idle_seconds": source.limits.idle.total_seconds(),
        "min_rate_bytes_per_second": source.limits.rate,
    }
    if isinstance(source, SftpSource):
        return common | _sftp_settings(source, supplies)
    if isinstance(source, RecipeSource):
        return common | _recipe_settings(source, supplies)
    common |= _login_settings(source, supplies)
    if isinstance(source, CardDavSource):
        return common | _carddav_settings(source)
    return common | _http_settings(source)


def inbox_settings(source: InboxSource, supplies: Supplies) -> InboxSettings:
    """Given an inbox's section and what the box has for it, return its settings."""
    memory = supplies.state / links.FOLDER / f"{source.name}.json" if supplies.state else ""
    return InboxSettings(
        name=source.name,
        path=str(source.path),
        pick=source.pick,
        stable_for_seconds=source.stable_for.total_seconds(),
        max_bytes=source.limits.size,
        reserve_bytes=supplies.reserve_bytes,
        keep_done_seconds=source.keep_done.total_seconds(),
        link_hosts=source.link_hosts,
        links_last_seconds=source.links_last.total_seconds() if source.links_last else 0.0,
        ca_file=str(source.ca_file or ""),
        idle_seconds=source.limits.idle.total_seconds(),
        min_rate_bytes_per_second=source.limits.rate,
        total_seconds=source.limits.total.total_seconds(),
        links_file=str(memory),
    )


def _sftp_settings(source: SftpSource, supplies: Supplies) -> dict[str, object]:
    return {
        "host": source.host,
        "port": source.port,
        "user": source.user,
        "password": supplies.secret(source.password),
        "key": supplies.secret(source.key),
        "key_file": str(source.key_file or ""),
        "key_passphrase": supplies.secret(source.key_passphrase),
        "host_key": source.host_key,
        "known_hosts": str(supplies.known_hosts),
        "path": source.path,
        "pick": source.pick,
        "newest": source.newest,
        "stable_for_seconds": source.stable_for.total_seconds(),
        "total_seconds": source.limits.total.total_seconds(),
    }


def _login_settings(source: HttpSource | CardDavSource, supplies: Supplies) -> dict[str, object]:
    """What every kind of source needs that asks a web server: how it signs in and where what that
    brings is kept, too.
    """
    auth = source.auth.model_dump(exclude_none=True, exclude={"sign_in_lasts", "sign_in_idle"})
    named = {key.removeprefix("auth."): name for key, name in secret_names(source)}
    filled = _secrets(named, source, supplies)
    if stored := token_name(source):
        filled["refresh_token_secret"] = stored
    shown = source.hosts if isinstance(source, CardDavSource) else source.credential_hosts
    return {
        "url": source.url,
        "auth": auth | filled,
        "hosts": source.hosts,
        "ca_file": str(source.ca_file or ""),
        "sign_in_of": _sign_in_of(source, supplies, (source.url, *shown)),
        "secrets_dir": str(supplies.secrets.folder),
    }


def _http_settings(source: HttpSource) -> dict[str, object]:
    return {"credential_hosts": source.credential_hosts, "file_name": source.file_name}


def _carddav_settings(source: CardDavSource) -> dict[str, object]:
    return {"collections": source.collections, "batch": source.batch}


def _secrets(named: Mapping[str, str], source: CommonSource, supplies: Supplies) -> dict[str, str]:
    """Given the names of secrets by their keys, return them; raise ConfigError where one is missing
    that no sign-in brings.
    """
    secrets, awaited = supplies.secrets, awaited_secret(source)
    return {k: secrets.get(n) for k, n in named.items() if n != awaited or secrets.has(n)}


def _sign_in_of(
    source: CommonSource, supplies: Supplies, places: Sequence[str]
) -> dict[str, object]:
    """Given the addresses and hosts that see what a sign-in brings, return where it is known how
    that stands.
    """
    login = login_of(source)
    app = (login.client_id, _origin(login.token_url)) if login else ("", "")
    return {
        "source": source.name,
        "folder": str(supplies.sign_ins.folder),
        "bound_to": sign_ins.bound_to(*app, *sorted(map(_origin, places))),
    }


def _recipe_settings(source: RecipeSource, supplies: Supplies) -> dict[str, object]:
    file = source.file
    secret = giving.secrets(file.setting, source.given)
    given = giving.values(file.setting, source.given)
    named = written.secrets_named(file)
    return {
        "recipe": written.as_json(file),
        "given": given,
        "given_secrets": _secrets(secret, source, supplies),
        "secrets": {name: supplies.secrets.get(name) for name in named},
        "refresh_token_secret": token_name(source),
        "sign_in_of": _sign_in_of(source, supplies, _seen_by(source, given)),
        "memory": str(recipe_memory(supplies.secrets.folder.parent, source.name)),
        "only": source.only,
        "without": source.without,
        "ca_file": str(source.ca_file or ""),
        "secrets_dir": str(supplies.secrets.folder),
    }


def _seen_by(source: RecipeSource, given: Mapping[str, str]) -> list[str]:
    """Return what says which servers see a sign-in: of a shipped recipe's own servers only its
    name, as another release may have more of them, and of its settings those that name one.
    """
    file, named = source.file, giving.places(source.file)
    said = [source.recipe] if source.recipe in written.shelf() else [file.base, *file.hosts]
    return [*said, *(value for key, value in given.items() if key in named)]


def recipe_memory(state: Path, source: str) -> Path:
    """Return the file of what a source remembers of its vendor between pulls."""
    return state / "recipes" / f"{source}.json"


def _origin(place: str) -> str:
    """Of an address only the server counts."""
    parts = urlsplit(place)
    return f"{parts.scheme}://{parts.netloc.lower()}" if parts.netloc else place.lower()


def secret_names(source: CommonSource) -> Iterator[tuple[str, str]]:
    """Given a source, yield the key and the name of every secret it refers to."""
    fields = ("password", "key", "key_passphrase")
    auth = getattr(source, "auth", None)
    for key in fields:
        if getattr(source, key, None):
            yield key, getattr(source, key)
    for key in ("password", "token", "value", "client_secret", "refresh_token", "private_key"):
        if not isinstance(source, RecipeSource) and getattr(auth, key, None):
            yield f"auth.{key}", getattr(auth, key)
    if isinstance(source, RecipeSource):
        yield from giving.secrets(source.file.setting, source.given).items()
        yield from ((f"secret:{name}", name) for name in written.secrets_named(source.file))

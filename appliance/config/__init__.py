"""The configuration: one TOML file, read whole, every problem named at once with its key path.

Secrets never stand in the file: a field that holds one takes only `${secret:NAME}`. This package
is the only home of pydantic.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

# No stranger's plugin reads our configuration; looking for one costs a tenth of each command.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

from pydantic import ValidationError

from ..core.errors import ConfigError, Problem
from .logins import OAuth2Auth
from .problems import cross_checks, in_words
from .recipes import with_recipes
from .sections import MOUNTS, MirrorSection, RepositorySection, Settings
from .sources import (
    AnySource,
    CardDavSource,
    CommonSource,
    HttpSource,
    InboxSource,
    RecipeSource,
    SftpSource,
)

__all__ = [
    "MOUNTS",
    "AnySource",
    "CardDavSource",
    "CommonSource",
    "HttpSource",
    "InboxSource",
    "MirrorSection",
    "OAuth2Auth",
    "RecipeSource",
    "RepositorySection",
    "Settings",
    "SftpSource",
    "load",
    "parse",
    "tables",
]


def load(path: Path, *, complete: bool = True) -> Settings:
    """Given the file's path, return its Settings; raise ConfigError with every problem.

    Not `complete`, its parts need not fit together yet: somebody is still setting up.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        error = ConfigError([Problem("", f"There is no configuration at {path}.")])
        error.hint = "Write one (image/appliance.toml shows every key), or name it with --config."
        raise error from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Problem("", f"{path} cannot be read: {error}.")]) from None
    return parse(text, complete=complete)


def tables(text: str) -> dict[str, Any]:
    """Given the file's text, return its tables as they stand there; raise ConfigError where it is
    not TOML.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([Problem("", f"This is not valid TOML: {error}.")]) from None


def parse(text: str, *, complete: bool = True) -> Settings:
    """Given the file's text, return its Settings; see `load`."""
    raw = with_recipes(tables(text))
    try:
        settings = Settings.model_validate(raw)
    except ValidationError as error:
        raise ConfigError([in_words(each, raw) for each in error.errors()]) from None
    problems = list(cross_checks(settings)) if complete else []
    if problems:
        raise ConfigError(problems)
    return settings

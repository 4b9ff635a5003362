"""The only home of pulls by a recipe: made ready, followed, remembered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

from ...core import recipes, templates
from ...core.model import Export, SeenFile
from ...core.ports import Watch
from .. import auth
from ..asking import Asker, Patience
from ..calling import Caller
from ..landing import Landing
from ..receiving import Receiver
from ..sight import Sight
from . import trial
from .errand import Errand, NothingNew
from .following import Following
from .memory import Memory
from .questions import Questions
from .scope import Scope

_SHORTEST_SECRET = 4
"""A shorter one would have half of the words hidden."""
PATIENCE = Patience(waits=8, longest=timedelta(minutes=20), tries=4)
"""A list has many pages: one that fails must not have all of them asked for again."""


@dataclass(frozen=True, slots=True)
class RecipeSettings:
    """One source of type recipe, as plain values that cross to the child as JSON."""

    name: str
    recipe: Mapping[str, Any]
    """As `core.recipes.from_json` reads it."""
    given: Mapping[str, str] = field(default_factory=dict)
    """The recipe's settings that are no secrets."""
    given_secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """And those that are."""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """By name, those that the recipe mentions itself."""
    refresh_token_secret: str = ""
    """Under which name a replaced refresh token is stored."""
    sign_in_of: Mapping[str, str] = field(default_factory=dict)
    """See `auth.Login`."""
    memory: str = ""
    """The file of what is remembered between pulls."""
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    ca_file: str = ""
    max_bytes: int = 20 * 10**9
    reserve_bytes: int = 512 * 10**6
    connect_seconds: float = 20.0
    idle_seconds: float = 120.0
    min_rate_bytes_per_second: int = 1000
    rate_seconds: float = 300.0
    secrets_dir: str = ""


def pull(
    settings: RecipeSettings,
    into: Path,
    pulled_at: datetime,
    seen: Sequence[SeenFile],
    watch: Watch,
) -> Export | None:
    """Given an empty folder, bring all that the recipe says into it; see `core.ports.Source`.

    Return None where the vendor says that it has nothing else than what was archived last.
    """
    with ExitStack() as stack:
        caller = _caller(settings, stack)
        errand = _errand(settings, into, pulled_at, watch, caller, has_archive=bool(seen))
        errand.memory.seen()
        try:
            Following(errand).follow(settings.only, settings.without)
        except NothingNew:
            return None
        errand.memory.pulled()
        files = errand.landing.files
        return Export(settings.name, files, pulled_at, None, tuple(errand.notes))


def look(settings: RecipeSettings, sight: Sight, watch: Watch) -> None:
    """Sign in, see what there is, and tell what a pull would bring: nothing is started that the
    vendor counts. Raise what `pull` would.
    """
    with ExitStack() as stack:
        caller = _caller(settings, stack)
        try:
            errand = _errand(settings, Path(), datetime.now(UTC), watch, caller, has_archive=False)
            errand.is_trial = True
            sight.server = errand.vendor
            trial.look(errand, sight, settings.only, settings.without)
        finally:
            for host, shown in list(caller.certificates.items())[:1]:
                sight.server = host
                sight.tell(shown)


def _caller(settings: RecipeSettings, stack: ExitStack) -> Caller:
    return Caller(settings.ca_file, settings.connect_seconds, settings.idle_seconds, stack)


def _errand(
    settings: RecipeSettings,
    into: Path,
    now: datetime,
    watch: Watch,
    caller: Caller,
    *,
    has_archive: bool,
) -> Errand:
    recipe = recipes.from_json(settings.recipe)
    scope = Scope({**settings.given, **settings.given_secrets}, settings.secrets)
    questions = Questions(recipe, scope)
    given = (*settings.given_secrets.values(), *settings.secrets.values())
    secrets = [each for each in given if len(each) >= _SHORTEST_SECRET]
    login = _login(settings, recipe, scope)
    asker = Asker(caller, questions.reach, login, watch, PATIENCE, secrets=secrets)
    landing = Landing.within(settings, into, watch)
    receiver = Receiver(landing, watch, asker.hidden)
    began = monotonic()
    memory = Memory(
        Path(settings.memory), lambda: now + timedelta(seconds=round(monotonic() - began))
    )
    scope.token_reply = lambda: asker.told
    return Errand(recipe, scope, asker, questions, landing, receiver, memory, watch, has_archive)


def login(settings: RecipeSettings) -> auth.Login:
    """Return how a source shows who we are, before anything was asked."""
    scope = Scope({**settings.given, **settings.given_secrets}, settings.secrets)
    return _login(settings, recipes.from_json(settings.recipe), scope)


def _login(settings: RecipeSettings, recipe: recipes.Recipe, scope: Scope) -> auth.Login:
    filled = {key: _as_text(value) for key, value in scope.fill(recipe.auth).items()}
    filled["refresh_token_secret"] = settings.refresh_token_secret
    return auth.Login(filled, settings.secrets_dir, settings.sign_in_of)


def _as_text(value: Any) -> Any:
    """Tables stay tables: further fields for the vendor."""
    if isinstance(value, Mapping):
        return {key: templates.text_of(each) for key, each in value.items()}
    return templates.text_of(value)

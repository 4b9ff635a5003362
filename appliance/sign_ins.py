"""How the sign-ins at vendors stand, from the configuration, the ledger and what lies beside the
secret store.

Part of the rim, and light: `appliance status` loads it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .config import CommonSource, OAuth2Auth, RecipeSource, Settings
from .core import sign_ins
from .core.ports import Clock, Ledger
from .core.sign_ins import Lasting, SignIn
from .core.vitals import Vital
from .engine.observations import probe_of
from .engine.trust import trusts
from .system.secrets import Secrets, credentials_directory
from .system.sign_ins import FOLDER, SignIns


def login_of(source: CommonSource) -> OAuth2Auth | None:
    """Return how a source signs in at its vendor's; None where it needs no sign-in server."""
    if isinstance(source, RecipeSource):
        return source.login
    auth = getattr(source, "auth", None)
    return auth if isinstance(auth, OAuth2Auth) else None


def wants_a_person(auth: OAuth2Auth) -> bool:
    """Return whether somebody can sign in for it by a link or a code."""
    return auth.grant in sign_ins.BY_A_PERSON


def token_name(source: CommonSource) -> str:
    """Return under which name the refresh token of a source is stored; empty where it has none."""
    auth = login_of(source)
    if auth is None or auth.grant not in sign_ins.RENEWED:
        return ""
    return auth.refresh_token or sign_ins.secret_name(source.name)


def awaited_secret(source: CommonSource) -> str:
    """Return the name of the secret that a person's sign-in brings: until then it may be missing.
    Empty where there is none.
    """
    auth = login_of(source)
    return token_name(source) if auth is not None and wants_a_person(auth) else ""


def known(state: Path) -> SignIns:
    """Given the state folder, return what is known of its sign-ins."""
    return SignIns(state / FOLDER)


def facts(settings: Settings, ledger: Ledger, clock: Clock) -> list[dict[str, object]]:
    """Return for each source that signs in at a vendor's how that stands, as plain JSON values.

    `state` is a `core.sign_ins.Standing`; `until` is when it ends, as far as anybody said and the
    clock is trusted; `since`, `used` and `who` as in `core.sign_ins.SignIn`; `by_a_person` whether
    somebody can sign in by `appliance signin`.
    """
    now = clock.now() if trusts(ledger, clock) else None
    books = _Books(settings, ledger, now)
    logins = ((source, login_of(source)) for source in settings.source)
    return [books.fact(source, auth) for source, auth in logins if auth is not None]


@dataclass(frozen=True, slots=True)
class _Books:
    """Where it is looked up how a sign-in stands."""

    settings: Settings
    ledger: Ledger
    now: datetime | None
    """None: no clock is believed, so no date is said."""

    def fact(self, source: CommonSource, auth: OAuth2Auth) -> dict[str, object]:
        now, found = self.now, known(self.settings.state).read(source.name)
        lasting = Lasting(auth.sign_in_lasts, auth.sign_in_idle) if now else Lasting()
        end = sign_ins.ends(found, lasting) if now else None
        moment = now or datetime.now(UTC)
        how = sign_ins.standing(
            found if now else SignIn(),
            lasting,
            moment,
            is_there=self._is_there(token_name(source)),
            is_refused=_is_refused(self.ledger, source.name, found),
        )
        return {
            "source": source.name,
            "state": str(how),
            "sentence": sign_ins.sentence(source.name, how, end, self.settings.zone, moment),
            "until": _iso(end),
            "since": _iso(found.since),
            "used": _iso(found.used),
            "who": found.who,
            "by_a_person": wants_a_person(auth),
        }

    def _is_there(self, token: str) -> bool:
        secrets = Secrets(self.settings.state / "secrets", credentials_directory())
        return not token or secrets.has(token)


def _is_refused(ledger: Ledger, source: str, found: SignIn) -> bool:
    """What was refused and worked since is not refused any more."""
    probed = probe_of(ledger, source)
    return probed is not None and bool(probed.refused) and probed.count == found.count


def vitals(told: Sequence[Mapping[str, Any]], settings: Settings, now: datetime) -> Iterator[Vital]:
    """Given how sign-ins stand, yield each as a part of the box."""
    for fact in told:
        yield sign_ins.vital(fact, settings.zone, now)


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None

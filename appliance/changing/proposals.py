"""What a wish of the page would make of the configuration: the new text, or all that is wrong.

Part of the rim. Nothing is saved here: the secrets and the account that the new text names are
handed out beside it.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from ..config import Settings, parse, tables
from ..config.values import require_name
from ..core.errors import ConfigError, Problem
from ..core.outbox import MESSAGES
from ..core.settable import ADDRESS, FORGET, NAMED, NOT_SET, SET, SOURCES, Field
from ..messaging import address
from . import accounts, editing, forms, offers
from .drafts import Drafts

PAGE = "page-"
"""How the secrets and accounts begin that the page made; those that nothing names are removed."""
CLOUDS = "clouds"
"""The folder of accounts in the state folder."""
INBOX_PLACES = (Path("/srv"), Path("/media"), Path("/mnt"))
"""Where the page may put an inbox, beside the folders that hold one already: an inbox hands out
all that lies in it."""
_REPLACED = "replaced"
_PASTE = "paste what `rclone config show` prints on a computer where the account works"
_A_FOLDER = "this copy goes to a folder of the box itself; change it in the file"
_INBOX = "an inbox lies below /srv, /media or /mnt, or beside one that there is"


@dataclass(slots=True)
class Proposal:
    """The configuration as it would be."""

    text: str
    changed: list[dict[str, str]] = field(default_factory=list)
    """Field, before, after: as the form shows them."""
    problems: list[dict[str, str]] = field(default_factory=list)
    """Field (empty where it is none of the form's) and message."""
    secrets: dict[str, str] = field(default_factory=dict)
    """To be stored before the text is: name and value."""
    accounts: dict[Path, str] = field(default_factory=dict)
    """The same of accounts: file and text."""

    def as_json(self) -> dict[str, object]:
        """Return what the page is told."""
        return {"changed": self.changed, "problems": self.problems}


class Proposer:
    """Makes proposals for one box."""

    def __init__(self, state: Path, drafts: Drafts, stored: Collection[str]) -> None:
        self._state, self._drafts, self._stored = state, drafts, stored

    def removed(self, text: str, section: str, name: str) -> Proposal:
        """Return the file without a source, a cloud copy, or an address for messages (which has
        the name of its secret); raise ConfigError.
        """
        if section == MESSAGES:
            return self._without_address(text, name)
        if section not in NAMED or _table(tables(text), section, name) is None:
            raise ConfigError([Problem("", f"There is nothing named {name} to remove.")])
        proposal = Proposal(editing.without_section(text, section, name))
        self._check(proposal, section, name)
        return proposal

    def changed(self, text: str, section: str, name: str, wish: forms.Wish) -> Proposal:
        """Return the file with what the form holds; raise ConfigError where the file cannot be
        read, or there is no such section.
        """
        raw = tables(text)
        table = _table(raw, section, name)
        fields = _fields(raw, section, table, wish)
        proposal = Proposal(text)
        if section in NAMED and (wrong := _name_problem(table, name, wish)):
            proposal.problems.append(_problem("name", wrong))
            return proposal
        keeper = _Keeper(self, proposal, section, name)
        if section == "mirror":
            done = self._mirror(proposal, fields, name, wish, table or {})
        elif section == MESSAGES:
            done = self._messages(proposal, fields, wish, table or {})
        else:
            done = forms.written(fields, wish, table or {}, keeper.keep)
        if table is None and section == "source":
            key = "recipe" if "recipe" in wish else "type"
            done.values = {key: wish[key], **done.values}
        proposal.problems += [_problem(*each) for each in done.problems]
        if (table or wish).get("type") == "inbox":
            proposal.problems += [_problem("path", each) for each in _inbox(done, raw)]
        if not proposal.problems:
            proposal.text = editing.with_values(text, section, name, done.values)
            self._check(proposal, section, name)
            proposal.changed = list(_changes(fields, section, name, text, proposal.text))
            if "to" in done.values:
                proposal.changed.insert(0, _change(ADDRESS, "", SET))
        return proposal

    def _check(self, proposal: Proposal, section: str, name: str) -> None:
        try:
            parse(proposal.text)
        except ConfigError as error:
            where = f"{section}.{name}." if name else f"{section}."
            told = [_beside_its_field(each, where) for each in error.problems]
            source = _table(tables(proposal.text), section, name) if section == "source" else None
            wrong = [_problem(*each) for each in offers.problems(source or {})]
            proposal.problems += [*wrong, *(each for each in told if each["field"] or not wrong)]

    def free_secret(self, section: str, name: str, key: str, taken: Collection[str]) -> str:
        """Return a name that no secret has: the old one is in use until the new text is."""
        words = f"{PAGE}{name or section}"[:40] + f"-{key.replace('.', '-').lower()}"
        names = (f"{words}-{number}" for number in count(1))
        return next(each for each in names if each not in self._stored and each not in taken)

    def read(self, mark: str) -> str | None:
        """Return what somebody typed."""
        return self._drafts.read(mark)

    # -- messages ------------------------------------------------------------------------------

    def _messages(
        self,
        proposal: Proposal,
        fields: Sequence[Field],
        wish: forms.Wish,
        table: Mapping[str, Any],
    ) -> forms.Written:
        """An address that was typed goes to the store and behind those that there are."""
        plain = [each for each in fields if each.key != ADDRESS]
        done = forms.written(plain, wish, table, lambda *_: None)
        if (mark := wish.get(ADDRESS, "").strip()) in ("", FORGET):
            return done
        typed = self.read(mark)
        wrong = forms.AGAIN if typed is None else address.problem(typed)
        if typed is None or wrong:
            done.problems.append((ADDRESS, wrong))
            return done
        name = self.free_secret(MESSAGES, "", "to", proposal.secrets)
        proposal.secrets[name] = typed.strip()
        done.values["to"] = [*table.get("to", ()), f"${{secret:{name}}}"]
        return done

    def _without_address(self, text: str, name: str) -> Proposal:
        named = f"${{secret:{name}}}"
        present = list(tables(text).get(MESSAGES, {}).get("to", ()))
        if named not in present:
            raise ConfigError([Problem("", "There is no such address to remove.")])
        left = [each for each in present if each != named]
        proposal = Proposal(editing.with_values(text, MESSAGES, "", {"to": left}))
        self._check(proposal, MESSAGES, "")
        return proposal

    # -- cloud copies --------------------------------------------------------------------------

    def _mirror(
        self,
        proposal: Proposal,
        fields: Sequence[Field],
        name: str,
        wish: forms.Wish,
        table: Mapping[str, Any],
    ) -> forms.Written:
        plain = [each for each in fields if each.key not in ("account", "folder")]
        done = forms.written(plain, wish, table, lambda *_: None)
        remote, _, folder = str(table.get("remote", "")).partition(":")
        folder = wish.get("folder", folder).strip()
        if (mark := wish.get("account", "").strip()) not in ("", FORGET):
            remote = self._account(proposal, done, name, mark, table)
        elif not table:
            done.problems.append(("account", _PASTE))
        elif remote.startswith("/") and "folder" in wish and wish["folder"] != remote:
            done.problems.append(("folder", _A_FOLDER))
        if not remote.startswith("/") and remote:
            done.values["remote"] = f"{remote}:{folder}"
        return done

    def _account(
        self,
        proposal: Proposal,
        done: forms.Written,
        name: str,
        mark: str,
        table: Mapping[str, Any],
    ) -> str:
        """Have the account stored in a file of its own; return the name that it has in there."""
        pasted = self.read(mark)
        try:
            account = accounts.read(pasted or "")
        except accounts.NoAccount as error:
            done.problems.append(("account", forms.AGAIN if pasted is None else str(error)))
            return ""
        paths = (self._state / CLOUDS / f"{PAGE}{name}-{n}.conf" for n in count(1))
        path = next(each for each in paths if not each.exists())
        proposal.accounts[path] = account.text
        done.values["rclone_config"] = str(path)
        if "rclone_config_password" in table:
            done.values["rclone_config_password"] = None
        return account.name


class _Keeper:
    """Gives each secret that was typed a name, and puts it beside the proposal."""

    def __init__(self, proposer: Proposer, proposal: Proposal, section: str, name: str) -> None:
        self._proposer, self._proposal = proposer, proposal
        self._section, self._name = section, name

    def keep(self, key: str, mark: str) -> str | None:
        value = self._proposer.read(mark)
        if value is None:
            return None
        secrets = self._proposal.secrets
        name = self._proposer.free_secret(self._section, self._name, key, secrets)
        secrets[name] = value
        return f"${{secret:{name}}}"


def _fields(
    raw: Mapping[str, Any], section: str, table: Mapping[str, Any] | None, wish: forms.Wish
) -> tuple[Field, ...]:
    if table is None and "recipe" in wish:
        choosable = offers.choosable(raw.get("source", ()))
        fields = offers.fields(section, wish) if wish["recipe"] in choosable else ()
    else:
        fields = offers.fields(section, wish if table is None else table)
    if not fields:
        raise ConfigError([Problem(section, _not_here(section, table))])
    return fields


def _not_here(section: str, table: Mapping[str, Any] | None) -> str:
    if section != "source":
        return "this cannot be changed"
    known = f"a source is one of {', '.join(SOURCES)}, or has a recipe that there is"
    return offers.by_hand(table) if table else known


def _name_problem(table: Mapping[str, Any] | None, name: str, wish: forms.Wish) -> str:
    """Return what is wrong with a name: `wish` has it where somebody adds a section."""
    if "name" in wish and table is not None:
        return "there is one of this name already; take another"
    if "name" not in wish and table is None:
        return "it is not in the file any more"
    try:
        require_name(name)
    except ValueError as error:
        return str(error)
    return ""


def _table(raw: Mapping[str, Any], section: str, name: str) -> Mapping[str, Any] | None:
    found = raw.get(section)
    if section not in NAMED:
        return found if isinstance(found, dict) else {}
    return next((one for one in found or () if one.get("name") == name), None)


def shown(raw: Mapping[str, Any], section: str, name: str) -> dict[str, str]:
    """Given the file's tables, return what a section's form shows."""
    table = _table(raw, section, name) or {}
    fields = offers.fields(section, table)
    if section == MESSAGES:
        fields = tuple(each for each in fields if each.key != ADDRESS)
    if section != "mirror":
        return forms.shown(fields, table)
    remote = str(table.get("remote", ""))
    own = {
        "account": SET if table.get("rclone_config") else NOT_SET,
        "folder": remote if remote.startswith("/") else remote.partition(":")[2],
    }
    plain = [each for each in fields if each.key not in own]
    return forms.shown(plain, table) | own


def _changes(
    fields: Sequence[Field], section: str, name: str, old: str, new: str
) -> Iterator[dict[str, str]]:
    before, after = (shown(tables(text), section, name) for text in (old, new))
    for each in fields:
        was, is_now = before.get(each.key, ""), after.get(each.key, "")
        if (
            each.kind.is_secret
            and was == SET
            and _said(old, section, name, each.key) != _said(new, section, name, each.key)
        ):
            is_now = _REPLACED if is_now == SET else is_now
        if was != is_now and not (each.kind.is_secret and {was, is_now} <= {"", NOT_SET}):
            yield _change(each.key, was, is_now)


def _said(text: str, section: str, name: str, key: str) -> Any:
    """Return what the file itself has for a field: of a secret its name."""
    table: Any = _table(tables(text), section, name) or {}
    for part in ("rclone_config" if key == "account" else key).split("."):
        table = table.get(part) if isinstance(table, Mapping) else None
    return table


def _change(key: str, before: str, after: str) -> dict[str, str]:
    return {"field": key, "before": before, "after": after}


def _problem(key: str, message: str) -> dict[str, str]:
    return {"field": key, "message": message}


def _beside_its_field(problem: Problem, where: str) -> dict[str, str]:
    if problem.path.startswith(where):
        return _problem(problem.path.removeprefix(where), problem.message)
    if f"{problem.path}." == where:
        return _problem("", problem.message)
    return _problem("", str(problem))


def _inbox(done: forms.Written, raw: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the folder of an inbox that is new or moves.

    A link is looked through: else one below /srv could lead to the box's secrets.
    """
    path = done.values.get("path")
    if path is None:
        return
    present = [one for one in raw.get("source", ()) if one.get("type") == "inbox"]
    beside = [Path(str(one.get("path", ""))).parent for one in present]
    real = Path(os.path.realpath(str(path)))
    closed = Path(str(raw.get("disks", {}).get("mounts", "/mnt/appliance")))
    places = [*INBOX_PLACES, *(Path(os.path.realpath(each)) for each in beside)]
    inside = any(real.is_relative_to(place) and real != place for place in places)
    if not str(path).startswith("/") or not inside or real.is_relative_to(closed):
        yield _INBOX


def names_in(raw: Mapping[str, Any]) -> frozenset[str]:
    """Return every text in the file's tables that may name a secret or an account of ours."""
    found: set[str] = set()
    rest: list[Any] = [raw]
    while rest:
        one = rest.pop()
        if isinstance(one, Mapping):
            rest += one.values()
        elif isinstance(one, list):
            rest += one
        else:
            found.add(str(one))
    return frozenset(found)


def settings_of(text: str) -> Settings:
    """Return a text's settings, whose parts need not fit together yet; raise ConfigError."""
    return parse(text, complete=False)

"""What is wrong between the parts of a recipe that are right by themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..core import templates
from ..core.errors import Problem, did_you_mean
from ..core.recipes import item_name
from .logins import KINDS, NEEDED
from .recipes import RecipeBody, RecipeFile, StepSection

_ALWAYS = frozenset({"round", "page", "n", "url_name", "file_name", "url_query"})
_FEWEST_DOTS = 2
_RESERVED = frozenset({"name", "type", "recipe", "schedule", "grace", "original", "retention"})
_OF_ITS_ANSWER = {"name", "unchanged", "paginate"}
"""Where what a step saves itself is known, too."""
_OWN = frozenset({"limits", "table", "only", "without", "ca_file", "step"})


def problems(file: RecipeFile) -> Iterator[Problem]:
    """Yield all that is wrong with a recipe."""
    if file.sftp is not None:
        if file.step or file.setting:
            yield Problem("sftp", "a recipe has sftp or steps, not both")
        return
    for key in file.setting:
        if key in _RESERVED | _OWN | RecipeBody.model_fields.keys():
            yield Problem(f"setting.{key}", "a key of every source has this name; take another")
    yield from _default_problems(file)
    yield from body_problems(file, frozenset(file.setting))


def body_problems(file: RecipeBody, settings: frozenset[str]) -> Iterator[Problem]:
    """Yield what is wrong with steps, whoever they are of."""
    if not file.step:
        yield Problem("step", "there is no step: nothing would be fetched")
    elif not any(each.to for each in file.step):
        yield Problem("step", "no step has to: nothing would be kept")
    if not file.hosts:
        yield Problem("hosts", "no host is listed: nothing could be asked")
    for host in file.hosts:
        if "*" in host and host.rpartition("*")[2].count(".") < _FEWEST_DOTS:
            words = "whoever has a name below it would be shown the credentials; name the domain"
            yield Problem("hosts", f'"{host}" is too wide: {words}')
    yield from _auth_problems(file.auth)
    yield from _item_problems(file)
    yield from _name_problems(file)
    yield from _step_problems(file, settings)


def _auth_problems(auth: Mapping[str, Any]) -> Iterator[Problem]:
    kind = str(auth.get("kind", "none"))
    if kind not in KINDS:
        yield Problem("auth.kind", f'"{kind}" is not known{did_you_mean(kind, KINDS)}')
        return
    known = KINDS[kind].model_fields
    for key in auth:
        if key not in known and key not in ("kind", "scheme", "cookie"):
            yield Problem(f"auth.{key}", f"this key is not known{did_you_mean(key, known)}")
    if kind == "oauth2":
        grant = str(auth.get("grant", ""))
        if grant not in NEEDED:
            yield Problem("auth.grant", f'"{grant}" is not known{did_you_mean(grant, NEEDED)}')
        for key in NEEDED.get(grant, ()):
            if key not in auth:
                yield Problem(f"auth.{key}", f"grant {grant} needs it")


def _default_problems(file: RecipeFile) -> Iterator[Problem]:
    """A default may name settings that stand before it."""
    before: set[str] = set()
    for key, setting in file.setting.items():
        for name in templates.names(setting.default or ""):
            if name.removeprefix("setting.") not in before:
                yield Problem(f"setting.{key}.default", f"${{{name}}} is no setting before it")
        if not setting.secret:
            before.add(key)


def _item_problems(file: RecipeBody) -> Iterator[Problem]:
    """Yield what is named of the items and is not there in all of them."""
    if isinstance(file.each, str):
        return
    names = [item_name(each) for each in file.each]
    for name in sorted({each for each in names if names.count(each) > 1}):
        yield Problem("each", f'two items are named "{name}"')
    steps = [step.model_dump(exclude_none=True) for step in file.step if not step.once]
    terms = {term for hole in templates.holes([file.base, steps]) for term in hole.terms}
    for name, may_be_missing in sorted(terms):
        first, _, key = name.partition(".")
        if first != "item" or not key or may_be_missing:
            continue
        for each in file.each:
            if not isinstance(each, dict) or key.partition(".")[0] not in each:
                yield Problem("each", f'${{{name}}} is not there for "{item_name(each)}"')


def _name_problems(file: RecipeBody) -> Iterator[Problem]:
    names = [each.name for each in file.step if each.name]
    for name in sorted({each for each in names if names.count(each) > 1}):
        yield Problem(f"step.{name}.name", "two steps have this name")
    for number, step in enumerate(file.step):
        before = [each.name for each in file.step[:number] if each.name]
        if step.renew and step.renew not in before:
            meant = did_you_mean(step.renew, before)
            yield Problem(f"{_where(number, step)}.renew", f"no step before has this name{meant}")
        renewing = next((each for each in file.step if each.name == step.renew), step)
        if step.renew and (renewing.job or renewing.to):
            words = "that step cannot be asked again: it starts a job, or brings a file"
            yield Problem(f"{_where(number, step)}.renew", words)
        if step.unchanged and any(each.to for each in file.step[:number]):
            words = "what earlier steps brought would be left out; it goes before them"
            yield Problem(f"{_where(number, step)}.unchanged", words)
        if step.unchanged and file.each:
            words = "one item that is unchanged would leave the others out; it goes without each"
            yield Problem(f"{_where(number, step)}.unchanged", words)


def _where(number: int, step: StepSection) -> str:
    return f"step.{step.name or number}"


def _step_problems(file: RecipeBody, settings: frozenset[str]) -> Iterator[Problem]:
    """Yield names that nobody says: a step knows what was saved before it, or in an earlier
    round.
    """
    signed_in = {"auth"} if file.auth.get("kind") == "oauth2" else set()
    once = {name for step in file.step if step.once for name in step.save}
    yield from _unknown(file.base, signed_in | {"item"}, settings, "base")
    for key in ("hosts", "auth"):
        yield from _unknown(getattr(file, key), set(), settings, key)
    yield from _unknown(file.each, once | signed_in, settings, "each")
    in_rounds = {name for step in file.step if not step.once for name in step.save}
    if file.repeat_while and file.repeat_while not in in_rounds:
        meant = did_you_mean(file.repeat_while, in_rounds)
        yield Problem("repeat_while", f"no step saves this for each round{meant}")
    at_first = signed_in | _ALWAYS
    said = at_first | once | ({"item"} if file.each else set())
    for number, step in enumerate(file.step):
        known = at_first if step.once else said  # what is done once is done before all else
        where = _where(number, step)
        told = step.model_dump(exclude=_OF_ITS_ANSWER, exclude_none=True)
        yield from _unknown(told, known, settings, where)
        known |= set(step.save)
        paging = step.paginate.model_dump() if step.paginate else None
        yield from _unknown([step.unchanged, paging], known, settings, where)


def _unknown(value: Any, said: set[str], settings: frozenset[str], where: str) -> Iterator[Problem]:
    for name, may_be_missing in (term for hole in templates.holes(value) for term in hole.terms):
        first, _, rest = name.partition(".")
        known = first in said or first.startswith("secret:")
        if first == "setting" and rest in settings:
            continue
        if first == "setting":
            meant = did_you_mean(rest, settings)
            yield Problem(where, f"the setting {rest} is not declared{meant}")
        elif not (known or may_be_missing):
            yield Problem(where, f"${{{name}}} is not saved before{did_you_mean(name, said)}")

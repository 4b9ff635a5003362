"""What a pull by a recipe would bring, without starting anything at the vendor's that counts."""

from __future__ import annotations

from collections.abc import Sequence

from ...core.errors import ApplianceError, SourceRefused, SourceUnreachable
from ...core.recipes import Item, Step, item_name
from ...core.selectors import CannotSelect
from ...core.templates import MissingValue
from ...core.words import plural
from .. import answers
from ..sight import Sight
from . import answer as reading
from . import fetching
from .errand import Errand, ItemEnds, NotForUs
from .following import Following
from .pages import Pages

_NOT_TRIED = "an export is started there when a backup is made; a test does not"
_LONGEST = 300


class _Enough(Exception):
    """So much is known of an item, in words."""


def look(errand: Errand, sight: Sight, only: Sequence[str], without: Sequence[str]) -> None:
    """Do what is done once, and of each kind of record the first request or two; tell it in
    `sight`. Raise SourceUnreachable or SourceRefused where not even that works.
    """
    following = Following(errand)
    try:
        _begin(following, errand, sight)
    except _Enough as enough:  # what it would tell is not known, so neither is what follows
        sight.check(errand.vendor, True, str(enough))
    else:
        for item in following.items(only, without):
            sight.check(item_name(item) or errand.vendor, *_tried(following, errand, item, sight))
    left = errand.memory.may_start(errand.recipe.quota)
    if left is not None:
        sight.note = f"{plural(max(left, 0), 'export')} may still be started now."


def _begin(following: Following, errand: Errand, sight: Sight) -> None:
    """Do what is done once, as far as nothing is started or kept by it."""
    for _, step in following.steps:
        if not step.once:
            continue
        try:
            _step(errand, step, sight)
        except ItemEnds:
            errand.scope.save(errand.of_nothing(step))
        except (MissingValue, CannotSelect) as error:
            raise errand.not_as_known(step, error) from error
    errand.scope.keep()


def _tried(following: Following, errand: Errand, item: Item, sight: Sight) -> tuple[bool, str]:
    """Return whether an item can be had, and a sentence about it."""
    errand.scope.begin(item)
    said = "it answers"
    try:
        for _, step in following.steps:
            if not step.once:
                said = _step(errand, step, sight) or said
    except _Enough as enough:
        return True, str(enough)
    except NotForUs as no:
        return False, errand.left_out(no, has_other_files=False) + errand.needs()
    except ItemEnds:
        return True, "there is nothing now"
    except (MissingValue, CannotSelect) as error:
        return False, errand.not_as_known(following.steps[0][1], error).message
    except SourceUnreachable:
        raise
    except ApplianceError as error:
        return False, _refusal(errand, error)
    return True, said


def _refusal(errand: Errand, error: ApplianceError) -> str:
    hint = errand.needs() if isinstance(error, SourceRefused) else ""
    return f"{error.message} {error.hint}{hint}"[:_LONGEST]


def _step(errand: Errand, step: Step, sight: Sight) -> str:
    """Try one step; return what to say of it, empty where there is nothing to say."""
    if step.starts_a_job or (step.downloads and step.method != "GET"):
        raise _Enough(_NOT_TRIED)
    targets = errand.questions.targets(step)
    if not targets:
        raise _Enough("there is nothing now")
    question = errand.questions.question(step, targets[0], Pages(errand.paging(step)).parameters)
    if step.downloads:
        name, answer = fetching.begin(errand, step, question)
        modified = answers.date(answer.headers.get("Last-Modified", ""))
        sight.would_take(name, answer.length, modified)
        answer.close()
        return plural(len(targets), "file")
    told = errand.read(step, errand.ask(step, question))
    errand.take(step, told, targets[0])
    if step.until and not errand.select(step.until, told):
        raise _Enough("the vendor is still making the export")
    return _records(errand, step, told) if step.records else ""


def _records(errand: Errand, step: Step, told: reading.Envelope) -> str:
    found = errand.records(step, told)
    total = errand.select(step.expect.total, told)
    if isinstance(total, int) and total >= 0:
        return f"{plural(total, 'record')}"
    return f"{plural(len(found), 'record')} on the first page"

"""A recipe told in words, step by step, for whoever wrote it or is about to trust it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from . import words
from .recipes import Recipe, Step, item_name


def told(recipe: Recipe) -> list[str]:
    """Return what is done, a sentence or two for each step, numbered."""
    lines = [f"Asks {words.listed(list(recipe.hosts))} alone."]
    if recipe.auth.get("kind", "none") != "none":
        lines.append(f"Signs in: {_login(recipe)}.")
    numbered = enumerate(recipe.steps, 1)
    lines += [f"{n}. {step.name or 'step'}: {_step(step)}" for n, step in numbered if step.once]
    lines += _items(recipe)
    numbered = enumerate(recipe.steps, 1)
    lines += [f"{n}. {step.name or 'step'}: {_step(step)}" for n, step in numbered if not step.once]
    if recipe.repeat_while:
        lines.append(f"Again from there, while {recipe.repeat_while} is told.")
    if recipe.quota:
        span = words.duration(recipe.quota.per)
        lines.append(f"Never starts more than {recipe.quota.starts} exports in {span}.")
    return lines


def _login(recipe: Recipe) -> str:
    kind = str(recipe.auth.get("kind"))
    grant = f" ({recipe.auth['grant']})" if "grant" in recipe.auth else ""
    return f"{kind}{grant}"


def _items(recipe: Recipe) -> list[str]:
    if not recipe.each:
        return []
    if isinstance(recipe.each, str):
        return [f"Then for each of {recipe.each}:"]
    return [f"Then for each of {words.listed([item_name(each) for each in recipe.each])}:"]


def _step(step: Step) -> str:
    return " ".join(_sentences(step))


def _sentences(step: Step) -> Iterator[str]:
    what = f"{step.method} {step.url or 'the base address'}"
    whom = "" if step.auth else " without credentials"
    if step.starts_a_job:
        span = words.duration(timedelta(seconds=step.job or 0))
        yield f"Starts a job ({what}{whom}); one that was started is gone on with for {span}."
    elif step.until:
        yield f"Waits for the vendor: asks {what}{whom} every {step.every:g} s until {step.until}."
    elif step.downloads:
        yield f"Fetches {what}{whom} into {step.to}."
    elif step.records:
        yield f"Lists {what}{whom} and writes {step.records} into {step.to}, a line each."
    else:
        yield f"Asks {what}{whom}."
    yield from _further(step)


def _further(step: Step) -> Iterator[str]:
    if step.cooldown:
        yield f"Not again within {words.duration(timedelta(seconds=step.cooldown))}."
    if step.paginate:
        yield f"Goes on {_paging(step)}."
    if step.renew:
        yield f"Where the link has died, asks {step.renew} for a fresh one."
    if step.verify:
        yield f"Refuses what is not {step.verify}."
    if step.expect.rows or step.expect.total:
        yield "Refuses it where rows are missing."
    if step.empty:
        yield f"Status {_statuses(step.empty)} means that there is nothing."
    if step.skip:
        yield f"Status {_statuses(step.skip)} means that it is not for us: left out, and said."
    if step.unchanged:
        yield f"Where {step.unchanged} is as in the last backup nothing is new."
    if step.save:
        yield f"Remembers {words.listed(list(step.save))}."


def _paging(step: Step) -> str:
    paging = step.paginate
    if paging is None:
        return ""
    if paging.next:
        return f"from page to page by {paging.next}, which goes into {paging.into}"
    return f"by {paging.count}, which goes into {paging.into}, until {paging.stop}"


def _statuses(codes: tuple[int, ...]) -> str:
    return words.listed([str(each) for each in codes])

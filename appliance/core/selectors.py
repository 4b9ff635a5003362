"""The only home of JMESPath: what is taken from a vendor's answer. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.parser import ParsedResult

from . import templates

_QUOTED = re.compile(r"('(?:[^'\\]|\\.)*')")
_WORD = re.compile(r"\w+")


class CannotSelect(ValueError):
    """Raised where an answer is so different that what is sought cannot even be looked for."""


@lru_cache(maxsize=256)
def _compiled(expression: str) -> ParsedResult:
    return jmespath.compile(expression)


def problem(expression: str) -> str:
    """Return what is wrong with how an expression is written, nothing where it is right."""
    try:
        parsed = _compiled(templates.with_words(expression)).parsed
    except (JMESPathError, ValueError) as error:
        return " ".join(str(error).split())
    return _NOT_OF if _looks_into_a_not(parsed) else ""


_NOT_OF = "write !(a.b): !a.b means (!a).b, which is nothing whatever the answer says"


def _looks_into_a_not(node: Mapping[str, Any]) -> bool:
    """Return whether something is looked for within a yes or no, where nothing ever is."""
    children = node["children"]
    into = node["type"] in _INTO and children[0]["type"] == "not_expression"
    return into or any(map(_looks_into_a_not, children))


_INTO = frozenset({"subexpression", "filter_projection", "projection", "value_projection"})


def select(expression: str, envelope: Mapping[str, Any], scope: Mapping[str, Any]) -> Any:
    """Given an expression, return what it finds in the answer, None where there is nothing.

    `${...}` in it is filled in first, so that it cannot be read as part of the expression. Raise
    MissingValue or CannotSelect.
    """
    text = _filled(expression, scope)
    try:
        return _compiled(text).search(envelope)
    except JMESPathError as error:  # whose own text repeats what the vendor sent
        where = getattr(error, "function_name", "") or type(error).__name__
        told = getattr(error, "actual_type", "")
        raise CannotSelect(f"{where} cannot be used on {told or 'what came'}") from None


def _filled(expression: str, scope: Mapping[str, Any]) -> str:
    """Inside '...' any value may stand, elsewhere only what is a name or a number."""
    parts = _QUOTED.split(expression)  # what is quoted stands at the odd places
    escapes = (_plain, _escaped)
    filled = [templates.fill_text(each, scope, escapes[n % 2]) for n, each in enumerate(parts)]
    return "".join(filled)


def _escaped(text: str) -> str:
    if re.search(r"\\('|$)", text):  # JMESPath has no way to write it
        raise CannotSelect("a value with a backslash cannot stand in an expression")
    return text.replace("'", "\\'")


def _plain(text: str) -> str:
    if not _WORD.fullmatch(text):
        raise CannotSelect("a value that is no word cannot stand outside of quotes")
    return text

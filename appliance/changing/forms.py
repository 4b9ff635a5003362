"""The page's fields and the file's values, each as the other.

Part of the rim. No file is read or written here. A secret is told as "set" or "not set"; what
somebody types arrives as a mark (see `drafts`), and the file gets a name in its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ..core import sign_ins
from ..core.settable import AUTH_KEYS, BY_A_PERSON, FORGET, NOT_SET, SET, Field, Kind

Wish = Mapping[str, str]
"""What the form holds, by the field's key; a key that is missing stays as it is."""
KeepSecret = Callable[[str, str], str | None]
"""Given a field's key and a mark, return what to write; None where it was kept for too long."""

AGAIN = "type it again: it was not saved within an hour, or the box was started anew"
ELSEWHERE = "type it again: the address is another one, and a stored secret is shown to no other"
_WHOLE = "write a whole number, such as {}"
_BY_HAND = ("refresh_token", "password", "jwt_bearer")
"""Grants that a person sets up in the file."""
_IN_THE_FILE = "the login stands in the file, for the address before: change both there"


@dataclass(slots=True)
class Written:
    """What the file is to say, and what is wrong with the wish, by field."""

    values: dict[str, Any] = field(default_factory=dict)
    problems: list[tuple[str, str]] = field(default_factory=list)


def shown(fields: Sequence[Field], table: Mapping[str, Any]) -> dict[str, str]:
    """Given a table of the file, return what the form shows: what the file says, no defaults."""
    return {each.key: _shown(each, _value(table, each.key)) for each in fields}


def _value(table: Mapping[str, Any], key: str) -> Any:
    """Return what a field shows; a login that wants a person is a kind of its own there."""
    return _kind(table.get("auth", {})) if key == "auth.kind" else _at(table, key)


def _kind(auth: Mapping[str, Any]) -> str | None:
    kind = auth.get("kind")
    return BY_A_PERSON if auth.get("grant") in sign_ins.BY_A_PERSON else kind


def _shown(one: Field, value: Any) -> str:
    if one.kind.is_secret:
        return NOT_SET if value is None else SET
    if value is None:
        return ""
    if value == "" and one.off:
        return one.off
    if one.kind is Kind.LINES:
        return "\n".join(map(str, value)) if isinstance(value, list) else str(value)
    return str(value)


def _at(table: Mapping[str, Any], key: str) -> Any:
    outer, dot, inner = key.partition(".")
    value = table.get(outer)
    if not dot:
        return value
    return value.get(inner) if isinstance(value, Mapping) else None


def written(
    fields: Sequence[Field], wish: Wish, table: Mapping[str, Any], keep: KeepSecret
) -> Written:
    """Given what the form holds and what the file says until now, return what it is to say."""
    done = Written()
    for each in fields:
        if "." not in each.key and each.key in wish:
            _write(done, each, each.key, wish[each.key], table, keep)
    if any("." in each.key for each in fields):
        _write_login(done, [each for each in fields if "." in each.key], wish, table, keep)
    _require_typed_anew(done, fields, table)
    return done


def _write(  # noqa: PLR0917 - one value on its way
    done: Written, one: Field, key: str, value: str, table: Mapping[str, Any], keep: KeepSecret
) -> None:
    """Put one value where it belongs; `key` is its name in `table`."""
    text = value.replace("\r\n", "\n").strip()
    if one.kind.is_secret:
        if text and text != FORGET:
            name = keep(one.key, text)
            done.values[key] = name
            if name is None:
                done.values.pop(key)
                done.problems.append((one.key, AGAIN))
        elif text == FORGET and key in table:
            done.values[key] = None
        return
    said = _said(done, one, text or one.off)
    if said is None and key not in table:
        return
    if key not in table and text == one.default:
        return
    done.values[key] = said


def _said(done: Written, one: Field, text: str) -> Any:
    if not text:
        return None
    if one.kind is Kind.NUMBER:
        if not re.fullmatch(r"[0-9]{1,9}", text):
            done.problems.append((one.key, _WHOLE.format(one.default or 1)))
            return None
        return int(text)
    if one.kind is Kind.LINES:
        return [line.strip() for line in text.split("\n") if line.strip()]
    return text


def _write_login(
    done: Written, fields: Sequence[Field], wish: Wish, table: Mapping[str, Any], keep: KeepSecret
) -> None:
    """The login to a web address is one table, which is written whole."""
    before = table.get("auth", {})
    kind = wish.get("auth.kind") or _kind(before) or "none"
    if before.get("grant") in _BY_HAND and kind == before.get("kind"):
        return  # a person set it up in the file; some of its secrets change by themselves
    same = before if kind == _kind(before) else {}
    part, now = Written(), dict(same)
    for each in fields:
        key = each.key.partition(".")[2]
        if key in AUTH_KEYS.get(kind, ()) and each.key in wish:
            _write(part, each, key, wish[each.key], same, keep)
    now |= {"kind": "oauth2" if kind == BY_A_PERSON else kind}
    now |= {key: value for key, value in part.values.items() if value is not None}
    for gone in [key for key, value in part.values.items() if value is None]:
        now.pop(gone, None)
    if grant := _grant(kind, now):
        now["grant"] = grant
    done.problems += part.problems
    if now == before or (kind == "none" and "auth" not in table):
        return
    done.values["auth"] = None if kind == "none" else now


def _grant(kind: str, auth: Mapping[str, Any]) -> str:
    """Where a vendor has codes to type, nobody has to paste anything."""
    if kind == BY_A_PERSON:
        return "device_code" if auth.get("device_url") else "authorization_code"
    return "client_credentials" if kind == "oauth2" else ""


def _require_typed_anew(done: Written, fields: Sequence[Field], table: Mapping[str, Any]) -> None:
    """Else whoever may change an address could have any stored secret sent to it."""
    moved = [each for each in fields if each.is_place and _moved(each, done, table)]
    if not moved:
        return
    after = {**table, **done.values}
    auth = after.get("auth") or {}
    if auth.get("grant") in _BY_HAND or "refresh_token" in auth:  # secrets that no field shows
        done.problems.append((moved[0].key, _IN_THE_FILE))
        return
    for each in fields:
        if not each.kind.is_secret or each.stays_here:
            continue
        old, new = _at(table, each.key), _at(after, each.key)
        if old is not None and old == new:
            done.problems.append((each.key, ELSEWHERE))


def _moved(one: Field, done: Written, table: Mapping[str, Any]) -> bool:
    before, after = _at(table, one.key), _at({**table, **done.values}, one.key)
    return _place(before or one.default) != _place(after or one.default)


def _place(value: Any) -> object:
    """Of an address only server and port count: what lies on one server may be another file."""
    parts = urlsplit(value) if isinstance(value, str) else None
    if parts is not None and parts.scheme in ("http", "https"):
        return parts.scheme, parts.netloc.lower()
    return sorted(value) if isinstance(value, list) else str(value)

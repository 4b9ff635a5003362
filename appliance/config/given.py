"""What an office gives of the settings that a recipe wants: whether it is all there, and right."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from ..core import templates
from ..core.errors import did_you_mean
from .logins import OAuth2Auth
from .recipes import RecipeFile, SettingSection
from .values import secret_name, web_address

_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?", re.IGNORECASE)


def problems(wanted: Mapping[str, SettingSection], given: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each setting that is missing, not known or not written right."""
    for key in given:
        if key not in wanted:
            yield f"{key} is not known{did_you_mean(key, wanted)}"
    for key, setting in wanted.items():
        if key in given:
            yield from _value_problems(key, setting, given[key])
        elif setting.default is None:
            yield f"{key} is missing: {setting.title}"


def _value_problems(key: str, setting: SettingSection, value: Any) -> Iterator[str]:
    if not isinstance(value, str) or not value:
        yield f"{key} is a text"
        return
    try:
        if setting.secret:
            secret_name(value)
        elif "${" in value:  # it would be filled in, and a link could show a secret of the box
            yield f"{key} is no secret: write it itself, without ${{"
        elif setting.kind == "url":
            web_address(value)
        elif setting.kind == "host" and not _HOST.fullmatch(value):
            example = setting.example or "crm.shop.example"
            yield f"{key} is the bare name of a server, such as {example}"
    except ValueError as error:
        yield f"{key}: {error}"


def values(wanted: Mapping[str, SettingSection], given: Mapping[str, Any]) -> dict[str, str]:
    """Return every setting that is no secret, with what holds where the office says nothing; a
    default may name settings that stand before it.
    """
    told: dict[str, str] = {}
    for key, setting in wanted.items():
        if not setting.secret:
            value = str(given.get(key, setting.default or ""))
            told[key] = templates.fill_text(value, {"setting": told})
    return told


def secrets(wanted: Mapping[str, SettingSection], given: Mapping[str, Any]) -> dict[str, str]:
    """Return the name of the secret of each setting that is one and is given."""
    return {
        key: secret_name(str(given[key]))
        for key, each in wanted.items()
        if each.secret and key in given
    }


def login(
    auth: Mapping[str, Any], wanted: Mapping[str, SettingSection], given: Mapping[str, Any]
) -> OAuth2Auth | None:
    """Given how a recipe signs in, return it with the office's settings filled in, of secrets their
    names; None where no sign-in server gives what it shows, or where that is known only later.
    """
    if auth.get("kind") != "oauth2":
        return None
    named = {key: f"${{secret:{name}}}" for key, name in secrets(wanted, given).items()}
    its_own = [name.partition(":")[2] for name in templates.names(auth) if name[:7] == "secret:"]
    scope = {
        "setting": {**values(wanted, given), **named},
        "secret": {name: f"${{secret:{name}}}" for name in its_own},
    }
    try:
        filled = templates.fill(auth, scope)
        return OAuth2Auth.model_validate({key: each for key, each in filled.items() if each != ""})
    except (templates.MissingValue, ValidationError):
        return None


def places(file: RecipeFile) -> frozenset[str]:
    """Return the settings that say to whom a login is shown: addresses, what stands in one, and
    what stands in the default of one of those.
    """
    named = [file.base, [value for key, value in file.auth.items() if key.endswith("url")]]
    found = _settings_in(named) | in_hosts(file)
    found |= {key for key, each in file.setting.items() if each.kind in ("host", "url")}
    while more := {
        name for key in found for name in _settings_in(_default(file, key)) if name not in found
    }:
        found |= more
    return frozenset(found)


def in_hosts(file: RecipeFile) -> set[str]:
    """Return the settings that stand in a recipe's lists of hosts."""
    return _settings_in([file.hosts, [each.hosts for each in file.step]])


def _default(file: RecipeFile, key: str) -> str:
    return (file.setting[key].default or "") if key in file.setting else ""


def _settings_in(value: Any) -> set[str]:
    named = (each.partition(".") for each in templates.names(value))
    return {name for table, _, name in named if table == "setting"}

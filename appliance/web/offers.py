"""The CRMs that a source can be added for by name: what the worker told of them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from pathlib import PurePath
from typing import Any, cast

from flask import current_app

from ..core.offers import Offer, from_json
from ..system.socket import WorkerAbsent

_TOLD = "offers"


def told(facts: Mapping[str, Any]) -> Mapping[str, Offer]:
    """Given what the worker says of settings, return what it offers by name, in its order; where
    it is away, what it offered last: a form must come back with all that was filled in.

    Raise WorkerAbsent where nothing is known.
    """
    if "recipes" in facts:
        offers = {each["name"]: from_json(each) for each in facts["recipes"]}
        current_app.extensions[_TOLD] = offers
    elif facts:
        return {}
    if _TOLD not in current_app.extensions:
        raise WorkerAbsent("The worker is not running.")
    return cast("Mapping[str, Offer]", current_app.extensions[_TOLD])


def free_name(offer: Offer, facts: Mapping[str, Any]) -> str:
    """Return a name for a source that no other has: the recipe's, `hubspot-2` where it is taken."""
    taken = {each["name"] for each in facts.get("sections", {}).get("source", ())}
    stem = PurePath(offer.name).stem
    names = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
    return next(name for name in names if name not in taken)

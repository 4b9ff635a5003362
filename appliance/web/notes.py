"""What people do at the page is written down by the worker, for Activity."""

from __future__ import annotations

import logging

from flask import request

from ..core.errors import ApplianceError
from .box import the_box

_log = logging.getLogger("appliance")


def write_down(what: str, words: str, went_well: bool = True) -> None:
    """Given one word and a sentence without its full stop, have it written down with where from.

    A worker that is away keeps nobody from what they do; then only the log has it.
    """
    sentence = f"{words}, from {request.remote_addr}."
    try:
        the_box().note(what, sentence, went_well)
    except ApplianceError as error:
        _log.warning("page=%s %s (not in Activity: %s)", what, sentence, error.message)

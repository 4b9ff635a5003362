"""The only home of how a vendor's answer is read: as what a recipe's expressions look into."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from urllib3.exceptions import HTTPError

from ...core import selectors
from ...core.errors import ApplianceError, ExportUnsafe, SourceRefused, SourceUnreachable
from ...core.templates import text_of
from .. import answers, calling
from ..calling import Answer

MOST_BYTES = 64 << 20
"""Of one page; what is larger belongs into a file."""
_PIECE_BYTES = 1 << 16
_LONGEST_WORDS = 200
_WORDS = (
    "body.error_description",
    "body.errorMessage",
    "body.message",
    "body.error.message",
    "body.errors[0].message",
    "body.errors[0].detail",
    "body.error",
    "body[0].message",
    "body.detail",
)
"""Where vendors put a sentence about what went wrong."""

Envelope = Mapping[str, Any]
"""status, headers (small letters), body, page, rows."""


def read(answer: Answer, page: int, parse: str, came: Callable[[int], None]) -> Envelope:
    """Given an answer, read it whole; return what expressions look into.

    `came` is told of each piece. Raise SourceUnreachable where it breaks off, ExportUnsafe where
    it is no JSON, too large, or of an end that nobody can tell.
    """
    try:
        data = _body(answer, came)
    except HTTPError as error:
        raise answers.fault(error, answer.address.host) from None
    finally:
        answer.close()
    return envelope(answer, _parsed(answer, data, parse), page)


def envelope(answer: Answer, body: Any, page: int) -> Envelope:
    """Return what expressions look into."""
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return {"status": answer.status, "headers": headers, "body": body, "page": page, "rows": 0}


def _body(answer: Answer, came: Callable[[int], None]) -> bytes:
    unpack = zlib.decompressobj(wbits=31) if calling.encoding(answer) else None
    garbled = SourceUnreachable(f"The answer of {answer.address.host} is garbled.")
    data = bytearray()
    while piece := answer.response.read1(_PIECE_BYTES, decode_content=False):
        came(len(piece))
        try:
            room = MOST_BYTES - len(data) + 1
            data += unpack.decompress(piece, room) if unpack else piece
        except zlib.error:
            raise garbled from None
        if len(data) > MOST_BYTES:
            raise ExportUnsafe(
                f"{answer.address.host} sends more in one answer than any list is long.",
                hint="Have the recipe ask for fewer records at once.",
            )
    if unpack and data and (not unpack.eof or unpack.unused_data):
        raise garbled
    return bytes(data)


def _parsed(answer: Answer, data: bytes, parse: str) -> Any:
    if parse == "lines":
        if not answer.is_framed or data.lstrip()[:1] == b"<":  # JSON that is cut off is none
            raise _no_list(answer, data)
        return [line for line in data.decode("utf-8", "replace").splitlines() if line.strip()]
    if not data.strip():
        return None
    try:
        return json.loads(data, parse_float=_exact)
    except (ValueError, RecursionError):
        raise _no_list(answer, data) from None


def _exact(text: str) -> float | str:
    """Return a number; as its own text where a machine's number would be another one."""
    number = float(text)
    try:
        return number if Decimal(repr(number)) == Decimal(text) else text
    except InvalidOperation:  # too large for any number
        return text


def _no_list(answer: Answer, data: bytes) -> ApplianceError:
    host = answer.address.host
    if data.lstrip()[:1] == b"<":
        return SourceRefused(
            f"{host} sends a web page instead of records; perhaps it wants a login.",
            hint="Check the address and the login of this source.",
        )
    return ExportUnsafe(
        f"{host} sends something else than this recipe knows.",
        hint="The vendor may have changed its service: see whether there is an update of the box.",
    )


def said_no(told: Envelope, hidden: Sequence[str]) -> str:
    """Return the vendor's own words about what went wrong, nothing where there are none."""
    for each in _WORDS:
        found = selectors.select(each, told, {})
        if isinstance(found, str) and found.strip():
            return answers.redacted(" ".join(found.split()), hidden)[:_LONGEST_WORDS]
    return ""


def is_an_error(body: Any) -> bool:
    """Return whether an answer with a good status is one in truth: vendors do that."""
    return isinstance(body, Mapping) and any(body.get(key) for key in ("error", "errors"))


def next_cursor(value: Any) -> str:
    """Return a cursor as text, empty at the end: some write null, some nothing, some "null"."""
    text = "" if value in (None, False) else text_of(value)
    return "" if text in ("null", "None") else text

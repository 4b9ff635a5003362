"""The only home of mails that hold links: an export notice saved as `.eml`.

What a mail may be is bounded before it is taken apart: the parser follows parts within parts, and
looks at each line once for every part that is open.
"""

from __future__ import annotations

import email
import html
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.header import decode_header, make_header
from email.message import Message
from email.utils import parsedate_to_datetime
from itertools import islice

from ...core.errors import ExportUnsafe
from ...core.links import LONGEST_LINK, names_a_file
from .link import MOST_MAIL_BYTES, Link, Links

_MOST_LINES = 200_000
_MOST_PARTS = 40
_MOST_FOUND = 5_000
_MOST_BROKEN = LONGEST_LINK // 60
_FULL_LINE = 60
"""A line that a link fills so far may have been broken by the program that sent it."""
_PART = re.compile(rb"(multipart|message)/", re.IGNORECASE)
_HREF = re.compile(
    r"\bhref\s{0,9}=\s{0,9}"
    r"(?:\"([^\"]{1,8000})\"|'([^']{1,8000})'|([^\s\"'<>]{1,8000}))",
    re.IGNORECASE,
)
_BRACKETED = re.compile(r"<(https?://[^<>]{1,8000})>", re.IGNORECASE)
_BARE = re.compile(r"https?://[^\s<>\"']{1,8000}", re.IGNORECASE)
_END = ".,;:!?)]}'\""
_ATTACHED = (
    "Save what is attached into the inbox by itself, and the link too if it is wanted; then take"
    " the mail out of it."
)
_ADVICE = "Save the link by itself, or download the export and put that into the inbox."


def read(data: bytes) -> Links:
    """Given a mail, return its links and its date; raise ExportUnsafe where it is no notice, or has
    an export attached: mails are never archived, and that would go with it.
    """
    if len(data) > MOST_MAIL_BYTES or data.count(b"\n") > _MOST_LINES:
        raise ExportUnsafe("It is too large a mail to be looked through.", hint=_ADVICE)
    if len(_PART.findall(data)) > _MOST_PARTS:
        raise ExportUnsafe("It has too many parts for a notice.", hint=_ADVICE)
    try:
        message = email.message_from_bytes(data)
        attached = any(map(_is_export, message.walk()))
        found = list(islice(_found(message), _MOST_FOUND + 1))
        date = _date(message)
    except Exception as error:  # noqa: BLE001 - the parser raises whatever a strange mail makes it
        detail = type(error).__name__
        raise ExportUnsafe("It is no mail.", hint=_ADVICE, detail=detail) from None
    if attached:
        raise ExportUnsafe("It has a file attached, and only links are fetched.", hint=_ATTACHED)
    if len(found) > _MOST_FOUND:
        raise ExportUnsafe("It has too many links for a notice.", hint=_ADVICE)
    return Links(_once(found), date)


def _date(message: Message) -> datetime | None:
    try:
        found = parsedate_to_datetime(str(message["Date"]))
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    # One without a zone is of unknown place: the earliest that it can mean.
    return (found if found.tzinfo else found.replace(tzinfo=UTC) - timedelta(hours=14)).astimezone(
        UTC
    )


def _is_export(part: Message) -> bool:
    name = part.get_filename()
    return bool(name) and names_a_file(str(make_header(decode_header(str(name)))).strip())


def _found(message: Message) -> Iterator[Link]:
    """Yield the links of all parts, those of HTML first: no program breaks their lines."""
    texts = [part for part in message.walk() if part.get_content_maintype() == "text"]
    for part in texts:
        if part.get_content_subtype() == "html":
            yield from _of_html(_text(part))
    for part in texts:
        if part.get_content_subtype() != "html" and not part.get_filename():
            yield from _of_text(_text(part), part)


def _text(part: Message) -> str:
    data = part.get_payload(decode=True)
    raw = data if isinstance(data, bytes) else b""
    try:
        return raw.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:
        return raw.decode("latin-1")


def _of_html(text: str) -> Iterator[Link]:
    for found in _HREF.finditer(text):
        link = "".join(html.unescape(found[1] or found[2] or found[3]).split())
        if _BARE.match(link):
            yield Link((link,))


def _of_text(text: str, part: Message) -> Iterator[Link]:
    if str(part.get_param("delsp", "")).lower() == "yes":  # RFC 3676
        text = re.sub(r" \r?\n", "", text)
    for found in _BRACKETED.finditer(text):  # RFC 3986, appendix C
        yield Link(("".join(found[1].split()),))
    lines = _BRACKETED.sub(" ", text).splitlines()
    for number, line in enumerate(lines):
        for found in _BARE.finditer(line):
            short = found[0].rstrip(_END)
            is_last = found.end() == len(line) and short == found[0]
            long = _over_lines(lines, number, found) if is_last else ""
            yield Link((long, short) if long else (short,), is_whole=not is_last)


def _over_lines(lines: list[str], number: int, found: re.Match[str]) -> str:
    """Return a link with the lines that may belong to it; empty where none may."""
    link, last = found[0], lines[number]
    for line in lines[number + 1 : number + 1 + _MOST_BROKEN]:
        is_more = len(last) >= _FULL_LINE and line and " " not in line and "://" not in line
        if not is_more or len(link) + len(line) > LONGEST_LINK:
            break
        link, last = link + line, line
    link = link.rstrip(_END)
    return link if link != found[0].rstrip(_END) else ""


def _once(found: Sequence[Link]) -> tuple[Link, ...]:
    """The same link twice is one, and so is what a broken line left of a link that is there."""
    kept: dict[str, Link] = {}
    for link in found:
        if not any(each in kept for each in link.spellings):
            kept[link.spellings[0]] = link
    whole = [first for first, link in kept.items() if link.is_whole]
    return tuple(
        link
        for first, link in kept.items()
        if link.is_whole or not any(each.startswith(first) for each in whole)
    )

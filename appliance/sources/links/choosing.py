"""The only home of which links of a file are fetched: what an office lists, and what looks like a
download rather than like the rest of a mail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...core.errors import ExportUnsafe, SourceRefused
from ...core.links import is_listed, rank
from .link import Link, Links

MOST_LINKS = 50
_MOST_NAMED = 3
_FOLLOWS_NONE = (
    "Name the servers that links may lead to in the settings of this inbox (link_hosts), or "
    "download the export yourself and put it into the inbox."
)


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to be fetched of a file."""

    links: tuple[Link, ...]
    sure: frozenset[str]
    """Marks of those that must bring a file; another one may turn out to be a web page."""


def chosen(name: str, said: Links, hosts: Sequence[str], *, is_mail: bool) -> Choice:
    """Given what a file says, return what to fetch; raise SourceRefused or ExportUnsafe where that
    is nothing.
    """
    if not hosts:
        kept = " The mail itself is backed up, what it leads to is not." if is_mail else ""
        words = f"{name} holds a link, and this inbox follows no links.{kept}"
        raise SourceRefused(words, hint=_FOLLOWS_NONE)
    listed = [link for link in said.links if is_listed(link.host, hosts)]
    others = [link for link in said.links if link not in listed]
    likely = _likely(listed) if is_mail else listed
    if not likely or (others and not is_mail):
        raise _foreign(name, others or listed, is_mail=is_mail)
    if len(likely) > MOST_LINKS:
        raise ExportUnsafe(
            f"{name} holds {len(likely)} links: more than {MOST_LINKS} are no notice.",
            hint="Put the links that you want fetched into the inbox by themselves.",
        )
    top = max(map(_rank, likely))
    is_sure = not is_mail or top > 0
    sure = frozenset(link.mark for link in likely if is_sure and _rank(link) == top)
    return Choice(tuple(likely), sure if is_mail else frozenset(link.mark for link in likely))


def looks_like_a_notice(said: Links) -> bool:
    """Return whether a mail has a link that looks like a download."""
    return any(_rank(link) > 0 for link in said.links)


def _likely(links: Sequence[Link]) -> list[Link]:
    good = [link for link in links if _rank(link) > 0]
    return good or [link for link in links if _rank(link) == 0]


def _rank(link: Link) -> int:
    return max(map(rank, link.spellings))


def _foreign(name: str, links: Sequence[Link], *, is_mail: bool) -> SourceRefused:
    ordered = sorted(links, key=_rank, reverse=True)
    hosts = [*dict.fromkeys(link.host for link in ordered if link.host)][:_MOST_NAMED]
    if not hosts:
        return SourceRefused(
            f"{name} holds no link that can be fetched.",
            hint="Ask for a link that begins with https://.",
        )
    named = ", ".join(hosts)
    lead = f"None of the links in {name} leads" if is_mail else f"A link in {name} does not lead"
    return SourceRefused(
        f"{lead} to a download on a server that this inbox lists. Found: {named}.",
        hint="If the vendor keeps its files there, add it in the settings of this inbox"
        " (link_hosts). A link that only counts clicks leads on to the one that is meant: open it,"
        " and copy that one.",
    )

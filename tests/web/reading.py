"""Reads the page as a person does: its words, block by block."""

from __future__ import annotations

import re
from html import unescape


def words(html):
    """The text of some HTML, without tags, on one line."""
    bare = re.sub(r"<(script|style|noscript)\b.*?</\1>|<[^>]*>", " ", html, flags=re.DOTALL)
    return re.sub(r"\s+([.,:;])", r"\1", " ".join(unescape(bare).split()))


def block(html, name):
    """The HTML of one block of the first screen."""
    return re.search(rf'<section id="block-{name}".*?</section>', html, re.DOTALL)[0]

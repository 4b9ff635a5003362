"""The only home of which passwords are good enough: long, and not what everybody tries first."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

SHORTEST, LONGEST = 10, 200
_FEWEST_LETTERS = 5
_TRIED_FIRST = """
password passwort motdepasse contrasena wachtwoord senha parola haslo kennwort geheim letmein
welcome willkommen bienvenue iloveyou ichliebedich jetaime teamo sunshine princess football
baseball basketball superman batman starwars trustno monkey dragon master shadow michael
jennifer jordan charlie thomas andrea daniel alexander qwerty qwertyuiop qwertz qwertzuiop
azerty azertyuiop asdfgh asdfghjkl zxcvbn zxcvbnm yxcvbnm qazwsx qazwsxedc administrator admin
changeme default secret login access internet computer hello hallo bonjour whatever freedom
summer winter spring autumn sommer herbst backup appliance office raspberry raspberrypi
abcdefghij abcdefgh abcdef passw passwd testtest test user root guest
"""
_COMMON = frozenset(_TRIED_FIRST.split())
_RUNS = ("01234567890123456789", "98765432109876543210", "abcdefghijklmnopqrstuvwxyz")
_NOT_LETTERS = re.compile(r"[\W\d_]+")


def normal(password: str) -> str:
    """Return a password as it is compared: one and the same, whichever keyboard composed it."""
    return unicodedata.normalize("NFC", password)


def why_not(password: str, names: Iterable[str] = ()) -> str:
    """Given a password and the box's names, return what is wrong with it; "" where it will do."""
    plain = normal(password).casefold()
    if not SHORTEST <= len(plain) <= LONGEST:
        size = "short" if len(plain) < SHORTEST else "long"
        return f"That password is too {size}. Use {SHORTEST} to {LONGEST} characters."
    if len(set(plain)) < _FEWEST_LETTERS or any(plain in run for run in _RUNS):
        return (
            "That password is too simple. Four or five words that nobody expects make a good one."
        )
    letters = _NOT_LETTERS.sub("", plain)
    known = _COMMON | {_NOT_LETTERS.sub("", name.casefold()) for name in names}
    if letters and _once(letters) in known:
        return "That password is one that others try first. Take some words that only you know."
    return ""


def _once(letters: str) -> str:
    """What was typed again and again, typed once."""
    for length in range(1, len(letters) // 2 + 1):
        if letters == letters[:length] * (len(letters) // length):
            return letters[:length]
    return letters


def why_not_twice(password: str, again: str, names: Iterable[str] = ()) -> str:
    """Given a password typed twice, return as `why_not` does, and where the two differ."""
    if password != again:
        return "The two are not the same. Type the new password twice."
    return why_not(password, names)

"""The code by which a person at the box's terminal shows that the box is theirs (E2).

Written down as a hash, in the page's own folder. It works once, for a quarter of an hour of this
start of the machine, whatever the clock says.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from ..system.files import make_private, write_durably

FILE = "claim.json"
LASTS = timedelta(minutes=15)
_SIGNS = "ABCDEFGHJKMNPQRSTVWXYZ23456789"  # none that is taken for another
_GROUPS, _GROUP = 4, 4  # 78 bits
_START = Path("/proc/sys/kernel/random/boot_id")


def new(folder: Path) -> str:
    """Given the page's folder, return a new code, for a person to read; the one before is void."""
    signs = [secrets.choice(_SIGNS) for _ in range(_GROUPS * _GROUP)]
    code = "-".join("".join(signs[at : at + _GROUP]) for at in range(0, len(signs), _GROUP))
    until = time.monotonic() + LASTS.total_seconds()
    facts = {"code": _hashed(code), "start": _this_start(), "until": until}
    make_private(folder)
    write_durably(folder / FILE, json.dumps(facts).encode(), 0o600)
    return code


def use_up(folder: Path, code: str) -> bool:
    """Return whether that is the code; it is none any more then, whoever else types it too."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        facts = json.loads((folder / FILE).read_bytes())
        in_time = facts["start"] == _this_start() and time.monotonic() < float(facts["until"])
        if in_time and hmac.compare_digest(str(facts["code"]), _hashed(code)):
            (folder / FILE).unlink()  # of two at once one fails here
            return True
    return False


def _hashed(code: str) -> str:
    plain = "".join(sign for sign in code.upper() if sign.isalnum())
    return hashlib.sha256(plain.encode()).hexdigest()


def _this_start() -> str:
    return _START.read_text(encoding="ascii").strip()

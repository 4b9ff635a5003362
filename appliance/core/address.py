"""Where a service listens, as the configuration writes it: `0.0.0.0:8080` or `[::]:8080`."""

from __future__ import annotations

import re
from dataclasses import dataclass

_WRITTEN = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9.-]+)):(?P<port>\d{1,5})")
_LAST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Address:
    """An address or name of this machine, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def read(text: str) -> Address:
    """Given how it is written, return the address; raise ValueError where it is none."""
    found = _WRITTEN.fullmatch(text)
    if found is None or not 1 <= int(found["port"]) <= _LAST_PORT:
        raise ValueError('an address is written like "0.0.0.0:8080" or "[::]:8080"')
    return Address(found["six"] or found["name"], int(found["port"]))

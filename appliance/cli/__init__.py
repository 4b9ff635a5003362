"""The command line: reads the words, asks the box, shows the answer. Part of the rim."""

from . import (
    caring,
    deciding,
    disks,
    erasing,
    finding,
    looking,
    messages,
    panel,
    restoring,
    setting_up,
    signing_in,
    sources,
    web,
    working,
)
from .office import main

__all__ = [
    "caring",
    "deciding",
    "disks",
    "erasing",
    "finding",
    "looking",
    "main",
    "messages",
    "panel",
    "restoring",
    "setting_up",
    "signing_in",
    "sources",
    "web",
    "working",
]

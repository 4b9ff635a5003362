"""The data-protection sheet: what is kept, where, for how long, and who can see it.

Part of the rim. It is told anew from the settings in use and the ledger whenever somebody asks: no
disk is looked at, and no secret is read.
"""

from .how_long import when_gone
from .paper import render
from .sheet import DataSheet, Part, data_sheet, facts

__all__ = ["DataSheet", "Part", "data_sheet", "facts", "render", "when_gone"]

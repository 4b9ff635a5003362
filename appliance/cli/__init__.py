"""The command line: reads the words, asks the box, shows the answer. Part of the rim."""

from . import looking, restoring, setting_up, working
from .office import main

__all__ = ["looking", "main", "restoring", "setting_up", "working"]

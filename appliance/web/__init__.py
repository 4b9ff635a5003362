"""The page: are we safe, one press, one customer back. The only home of flask.

It holds no secret of the backups and no disk: whatever it shows or does goes through a
`core.ports.Appliance`. Every route declares who may use it (`policy`); one that does not stops
the page from starting.
"""

from .app import create_app

__all__ = ["create_app"]

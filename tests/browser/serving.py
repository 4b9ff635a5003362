"""The page in front of a worker, as a browser reaches it: the product's own server, on loopback.

The one place where the tests of the browser say how the page is served.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from appliance.core.address import Address
from appliance.core.ports import Appliance
from appliance.web import certificate, create_app
from appliance.web.people import People
from appliance.web.serving import Server, quieten


@contextmanager
def served(appliance: Appliance, people: People) -> Iterator[str]:
    """Serve the page for the length of the block; yield its address."""
    quieten()
    context = certificate.context(certificate.ensure(people.folder, ["localhost", "127.0.0.1"]))
    server = Server(create_app(appliance, people), context, Address("127.0.0.1", 0))
    stop = threading.Event()
    thread = threading.Thread(target=server.run, args=(stop,))
    thread.start()
    try:
        yield f"https://localhost:{server.port}"
    finally:
        stop.set()
        thread.join()

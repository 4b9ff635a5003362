"""The page in front of a worker, as a browser reaches it: over TLS on loopback.

The one place where the tests of the browser say how the page is served.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from werkzeug.serving import make_server

from appliance.core.ports import Appliance
from appliance.demo.authority import Authority
from appliance.web import create_app
from appliance.web.people import People


@contextmanager
def served(appliance: Appliance, people: People, authority: Authority) -> Iterator[str]:
    """Serve the page for the length of the block; yield its address."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    pair = authority.issue("page")
    files = (str(pair.certificate), str(pair.key))
    app = create_app(appliance, people)
    server = make_server("127.0.0.1", 0, app, threaded=True, ssl_context=files)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"https://localhost:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

"""Where a browser comes back to on this machine."""

from __future__ import annotations

import urllib.request

from appliance import loopback


def test_whoever_signs_in_twice_waits_for_nobody():
    """The kernel remembers the first browser's connection for a minute."""
    redirect = "http://127.0.0.1:0/"
    for _ in range(2):
        with loopback.landing(redirect) as here:
            redirect = here.redirect
            with urllib.request.urlopen(f"{redirect}?code=x", timeout=10) as answer:
                assert b"close this page" in answer.read()
            assert here.lines.get(timeout=10) == "/?code=x"

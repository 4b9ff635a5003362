"""Who visits the page: each comes with a browser of their own."""

from __future__ import annotations

import re

PASSWORD = "correct horse battery staple"
LOOKERS = "only looking around here"
ORIGIN = "https://localhost"
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class Browser:
    """A browser that fills in forms as people do: it opens the page that has the form first."""

    def __init__(self, app, address="192.168.1.7"):
        self.client = app.test_client()
        self.address = address

    def get(self, path, **headers):
        return self.client.get(
            path,
            base_url=ORIGIN,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
            environ_overrides={"REMOTE_ADDR": self.address},
            buffered=True,
        )

    def token(self, page):
        found = _TOKEN.search(self.get(page).text)
        return found[1] if found else ""

    def send(self, path, fields=None, *, page=None, headers=None):
        """Fill in a form of `page` (else of the path itself) and send it to a path."""
        token = self.token(page or path)
        return self.client.post(
            path,
            data={"csrf_token": token} | (fields or {}),
            base_url=ORIGIN,
            headers={"Origin": ORIGIN} | (headers or {}),
            environ_overrides={"REMOTE_ADDR": self.address},
        )

    def sign_in(self, password=PASSWORD):
        return self.send("/sign-in", {"password": password})

    def is_in(self):
        return self.get("/").status_code == 200

    def cookie(self, name="__Host-appliance"):
        found = self.client.get_cookie(name)
        return found.value if found else None

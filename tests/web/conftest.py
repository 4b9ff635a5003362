"""The page in this process, beside a box that says what a test wants."""

from __future__ import annotations

import pytest

from appliance.web import create_app
from appliance.web.people import People
from appliance.web.policy import Role
from tests.system.worker import Worker

PASSWORD = "correct horse battery staple"
ORIGIN = "https://localhost"


@pytest.fixture
def box() -> Worker:
    return Worker()


@pytest.fixture
def app(box, tmp_path):
    people = People(tmp_path)
    people.set_password(Role.CHANGE, PASSWORD)
    return create_app(box, people)


@pytest.fixture
def visitor(app):
    """Somebody who has not signed in."""
    return app.test_client()


@pytest.fixture
def keeper(app, visitor):
    """Somebody who has signed in and may change things."""
    app.config["WTF_CSRF_ENABLED"] = False
    visitor.post("/sign-in", data={"password": PASSWORD}, base_url=ORIGIN)
    return visitor

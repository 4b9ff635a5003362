"""The page in this process, beside a box that says what a test wants."""

from __future__ import annotations

import argon2
import pytest

from appliance.web import create_app
from appliance.web.confirm import THROTTLE
from appliance.web.people import People
from appliance.web.policy import Role
from appliance.web.sessions import Sessions
from appliance.web.throttle import Throttle
from tests.system.worker import Worker
from tests.web.people import LOOKERS, ORIGIN, PASSWORD, Browser

__all__ = ["ORIGIN", "PASSWORD"]


class Time:
    """What has passed, as a test says."""

    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds

    def passes(self, **length):
        from datetime import timedelta

        self.seconds += timedelta(**length).total_seconds()


@pytest.fixture
def box() -> Worker:
    return Worker()


@pytest.fixture(autouse=True)
def _quick_hashes(monkeypatch):
    """The real argon2id with the least memory: what it costs is told by `test_people`."""
    from appliance.web import people

    cheap = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(people, "_HASHER", cheap)


@pytest.fixture
def people(tmp_path):
    people = People(tmp_path)
    people.set_password(Role.CHANGE, PASSWORD)
    people.set_password(Role.LOOK, LOOKERS)
    return people


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def app(box, people, time):
    app = create_app(box, people)
    app.session_interface = Sessions(time)
    app.extensions[THROTTLE] = Throttle(people.folder, time)
    return app


@pytest.fixture
def browse(app):
    """Make a browser."""
    return lambda address="192.168.1.7": Browser(app, address)


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

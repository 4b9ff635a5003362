"""Who may come in."""

from __future__ import annotations

import threading

import argon2
import pytest

from appliance.web import passwords
from appliance.web import people as module
from appliance.web.people import People
from appliance.web.policy import Role

GOOD = "correct horse battery staple"


def test_a_password_is_kept_as_argon2id_with_enough_memory(tmp_path, monkeypatch):
    monkeypatch.undo()
    people = People(tmp_path)
    people.set_password(Role.CHANGE, GOOD)
    text = (tmp_path / "people.json").read_text()
    assert "$argon2id$v=19$m=19456,t=2,p=1$" in text
    assert GOOD not in text
    assert (tmp_path / "people.json").stat().st_mode & 0o077 == 0
    assert people.role_of(GOOD) is Role.CHANGE
    assert people.role_of(GOOD + " ") is None


def test_passwords_are_tried_one_at_a_time(tmp_path, monkeypatch):
    at_once, most = 0, []

    class Slow:
        def verify(self, *_):
            nonlocal at_once
            at_once += 1
            most.append(at_once)
            threading.Event().wait(0.01)
            at_once -= 1
            raise argon2.exceptions.VerifyMismatchError

    people = People(tmp_path)
    people.set_password(Role.CHANGE, GOOD)
    monkeypatch.setattr(module, "_HASHER", Slow())
    threads = [threading.Thread(target=people.role_of, args=("x",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(most) == {1}


def test_a_password_is_the_same_whichever_keyboard_composed_it(tmp_path):
    people = People(tmp_path)
    people.set_password(Role.CHANGE, "u\u0308ber alle Ma\u00dfen gut")
    assert people.role_of("\u00fcber alle Ma\u00dfen gut") is Role.CHANGE


def test_two_who_change_at_once_lose_nothing(tmp_path):
    people = People(tmp_path)
    people.set_password(Role.CHANGE, GOOD)
    threads = [threading.Thread(target=People(tmp_path).new_browser) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(people._read()["browsers"]) == 20
    assert people.role_of(GOOD) is Role.CHANGE


def test_browsers_are_remembered_up_to_a_number_and_forgotten_with_the_password(tmp_path):
    people = People(tmp_path)
    people.set_password(Role.CHANGE, GOOD)
    tokens = [people.new_browser() for _ in range(40)]
    assert not people.known_browser(tokens[0])
    assert people.known_browser(tokens[-1])
    assert tokens[-1] not in (tmp_path / "people.json").read_text()
    people.set_password(Role.CHANGE, GOOD + "s")
    assert not people.known_browser(tokens[-1])


def test_a_file_that_is_broken_lets_nobody_in_and_the_box_is_not_free(tmp_path):
    people = People(tmp_path)
    people.set_password(Role.CHANGE, GOOD)
    (tmp_path / "people.json").write_text("{")
    with pytest.raises(ValueError, match="Expecting"):
        people.is_claimed()
    with pytest.raises(ValueError, match="Expecting"):
        people.role_of(GOOD)
    (tmp_path / "people.json").write_text('{"CHANGE": "nonsense"}')
    assert people.role_of(GOOD) is None


@pytest.mark.parametrize(
    "password",
    [
        "", "short", "x" * 201, "aaaaaaaaaaaa", "1234567890", "0987654321", "abababababab",
        "abcdefghijkl", "Password12", "PASSWORD!!!", "passwordpassword", "qwertyuiop",
        "Sommer2026!", "letmein1234", "appliance1", "12345admin6789", "frontoffice",
        "Front Office 1",
    ],
)  # fmt: skip
def test_a_password_that_others_try_first_is_refused(password):
    assert passwords.why_not(password, ["Front office"])


@pytest.mark.parametrize(
    "password", [GOOD, "vier Worte, die keiner kennt", "k9#Lm2!xQp", "пароль из слов"]
)
def test_a_password_that_only_its_owner_knows_is_taken(password):
    assert passwords.why_not(password, ["Front office", ""]) == ""

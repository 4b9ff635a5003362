"""The configuration: the example is whole, and every problem is named at once."""

import re
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest

from appliance import config, place
from appliance.box import Box
from appliance.config import problems, recipes
from appliance.core.errors import ConfigError

RECIPE = Path(__file__).parent.parent / "image" / "recipe.toml"
EXAMPLE = Path(__file__).parent.parent / "image" / "appliance.toml"

GOOD = """
[[source]]
name = "crm"
type = "sftp"
host = "crm.example.org"
user = "backup"
password = "${secret:crm}"

[[repository]]
name = "disk-a"
path = "/mnt/disk-a"
passphrase = "${secret:disk-a}"
"""


def problems_of(text):
    with pytest.raises(ConfigError) as caught:
        config.parse(text)
    return [str(problem) for problem in caught.value.problems]


def test_the_example_is_accepted():
    settings = config.load(EXAMPLE)

    assert [source.name for source in settings.source] == [
        "crm-nightly",
        "site-export",
        "crm",
        "address-book",
        "by-hand",
    ]
    assert settings.source_named("crm-nightly").limits.total == timedelta(hours=6)
    assert settings.mirror_named("cloud").expire == timedelta(days=90)


def test_every_key_in_the_code_stands_in_the_example():
    text = EXAMPLE.read_text()
    models = (
        {type(None)}
        | {config.Settings}
        | set(problems._BY_KEY.values())
        | set(problems._BY_TAG.values())
    )
    keys = {key for model in models for key in getattr(model, "model_fields", {})}

    assert {
        key for key in keys - recipes.RecipeBody.model_fields.keys() if not _stands(key, text)
    } == set()


def _stands(key: str, text: str) -> bool:
    return bool(re.search(rf"\b{key}\b *=|\[\[?[a-z.]*\b{key}\b", text))


def test_every_key_of_a_recipe_stands_in_its_example_which_is_accepted():
    text = RECIPE.read_text()
    models = (
        recipes.RecipeFile,
        recipes.HeadSection,
        recipes.RecipeTable,
        *problems._OF_RECIPES.values(),
    )
    keys = {field.alias or name for model in models for name, field in model.model_fields.items()}

    assert {key for key in keys if not _stands(key, text)} == set()
    assert recipes.checked(tomllib.loads(text)).recipe.title == "Example CRM"


def test_commented_alternatives_in_the_example_are_accepted_too():
    text = EXAMPLE.read_text()
    for line in re.findall(r"^# (auth = .*|password = .*|key_file = .*)$", text, re.MULTILINE):
        key = "auth" if line.startswith("auth") else "key"
        replaced = re.sub(rf"^{key} = .*$", line, text, count=1, flags=re.MULTILINE)
        config.parse(replaced)


def test_defaults_are_what_the_example_shows():
    written, shown = config.parse(GOOD), config.load(EXAMPLE)

    assert written.retention == shown.retention
    assert written.source[0].limits == shown.source[0].limits
    assert written.source[0].grace == shown.source[0].grace
    assert written.policy(written.source[0]).monthly == 24


def test_a_source_changes_only_what_it_says_of_the_retention():
    text = GOOD.replace("[[repository]]", "[source.retention]\ndaily = 90\n[[repository]]")
    settings = config.parse(text + "[retention]\nlast = 3\n")

    policy = settings.policy(settings.source[0])

    assert (policy.last, policy.daily, policy.weekly) == (3, 90, 12)


def test_an_end_may_stand_for_all_and_for_one_source():
    both = GOOD.replace("[[repository]]", '[source.retention]\nat_most = "10w"\n[[repository]]')
    ends = []
    for text in (GOOD, both):
        for common in ("", '[retention]\nat_most = "400d"\n'):
            settings = config.parse(text + common)
            ends.append(settings.policy(settings.source[0]).at_most)

    weeks = timedelta(weeks=10)
    assert ends == [None, timedelta(days=400), weeks, weeks]


@pytest.mark.parametrize("end", ["0d", "12h", "100000d", "soon", "-3d"])
def test_an_end_that_is_none_is_refused(end):
    (found,) = problems_of(GOOD + f'[retention]\nat_most = "{end}"\n')

    assert found.startswith("retention.at_most: ")
    assert "write it like" in found


def test_all_problems_are_named_at_once_with_their_path():
    found = problems_of(
        GOOD.replace('host = "crm.example.org"', 'hots = "crm"\nport = 70000\nschedule = "nightly"')
        + '[[mirror]]\nname = "cloud"\nrepository = "disc-a"\nremote = "b2:x"\nexpire = "soon"\n'
        + "[appliance]\nretenton = 3\n"
    )

    text = "\n".join(found)
    assert 'source.crm.hots: this key is not known (did you mean "host"?)' in found
    assert "source.crm.host: this key is missing" in found
    assert "source.crm.port:" in text
    assert "source.crm.schedule:" in text
    assert 'mirror.cloud.expire: "soon" is not a time span' in text
    assert "appliance.retenton: this key is not known" in text
    assert len(found) == 6


def test_parts_that_do_not_fit_together_are_named():
    text = (
        GOOD
        + GOOD.replace("disk-a", "disk-b").replace(
            "password", 'schedule = "after backup"\npassword'
        )
        + '[[mirror]]\nname = "cloud"\nrepository = "disc-a"\nremote = "b2:x"\n'
    )

    assert problems_of(text) == [
        "source.crm.name: two sources have this name",
        "source.crm.schedule: only a mirror can run after backup",
        'mirror.cloud.repository: there is no repository named "disc-a" (did you mean "disk-a"?)',
    ]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("${secret:crm}", "hunter2", "a secret must not stand in this file"),
        ('password = "${secret:crm}"', "", "one of password, key or key_file is needed"),
        ('"sftp"', '"ftp"', "must be one of"),
        ('name = "crm"', 'name = "CRM nightly"', "is not a name"),
        ('path = "/mnt/disk-a"', 'path = "disk-a"', "path must begin with /"),
        ('path = "/mnt/disk-a"', 'url = "nas:office"', "ssh://user@host/./repo"),
        ('path = "/mnt/disk-a"', "", "give one of disk, path or url"),
        ('type = "sftp"\n', "", "the key type is missing"),
    ],
)
def test_each_mistake_has_its_sentence(old, new, words):
    assert any(words in problem for problem in problems_of(GOOD.replace(old, new)))


def test_two_places_are_never_taken_for_one():
    copy = GOOD[GOOD.index("[[repository]]") :].replace('name = "disk-a"', 'name = "disk-b"')
    mirror = '[[mirror]]\nname = "disk-a"\nrepository = "disk-a"\nremote = "b2:x"\n'

    assert problems_of(GOOD + copy + mirror) == [
        "mirror.disk-a.name: a repository has this name already",
        "repository.disk-b: another repository lies there; each needs a place of its own",
    ]


@pytest.mark.parametrize("remote", [":s3,secret_access_key=hunter2:office", "office", "", "b2"])
def test_a_remote_is_a_name_and_a_path_without_keys(remote):
    mirror = f'[[mirror]]\nname = "c"\nrepository = "disk-a"\nremote = "{remote}"\n'

    (problem,) = problems_of(GOOD + mirror)

    assert "is not a remote" in problem
    assert "hunter2" not in problem


def test_a_refused_secret_is_not_repeated():
    assert "hunter2" not in "\n".join(problems_of(GOOD.replace("${secret:crm}", "hunter2")))


def test_a_mirror_of_a_distant_repository_is_refused():
    text = GOOD.replace('path = "/mnt/disk-a"', 'url = "ssh://backup@nas/./office"')

    found = problems_of(text + '[[mirror]]\nname = "c"\nrepository = "disk-a"\nremote = "b2:x"\n')

    assert "only a repository on this machine can be mirrored" in found[0]


def test_broken_toml_names_its_line():
    assert "line 3" in problems_of("[appliance]\nname = 'x'\nzone = \n")[0]


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"\x00", b"a" * 1000])
def test_any_bytes_are_answered_with_a_sentence(data, tmp_path):
    path = tmp_path / "appliance.toml"
    path.write_bytes(data)

    with pytest.raises(ConfigError):
        config.load(path)


def test_no_file_is_a_sentence(tmp_path):
    with pytest.raises(ConfigError, match="There is no configuration at"):
        config.load(tmp_path / "none.toml")


def test_asking_for_an_unknown_name_offers_the_nearest():
    with pytest.raises(ConfigError, match='did you mean "crm"'):
        config.parse(GOOD).source_named("cmr")


def test_the_example_holds_no_key_twice_in_a_table():
    tomllib.loads(EXAMPLE.read_text())


@pytest.mark.parametrize("text", ["", "[appliance]\nstate = '/somewhere/else'\n"])
def test_the_socket_is_found_where_the_settings_have_it(tmp_path, text):
    file = tmp_path / "appliance.toml"
    file.write_text(text)
    assert place.socket(file) == Box(config.parse(text)).socket


@pytest.mark.parametrize("installed", [True, False])
def test_an_installed_box_has_its_socket_where_page_and_panel_may_enter(
    tmp_path, monkeypatch, installed
):
    monkeypatch.setattr(place, "RUNTIME", tmp_path if installed else tmp_path / "none")
    assert place.runtime(place.STATE) == (tmp_path if installed else place.STATE)
    assert place.runtime(Path("/elsewhere")) == Path("/elsewhere")


@pytest.mark.parametrize("text", ["[appliance", "appliance = 3", "[appliance]\nstate = 3\n"])
def test_a_file_that_is_being_edited_names_no_socket(tmp_path, text):
    (file := tmp_path / "appliance.toml").write_text(text)
    assert place.socket(file) is None
    assert place.socket(tmp_path / "none.toml") is None


TABLE = '[[source.table]]\nmatch = "Contacts*"\n{}\n[[repository]]'


def with_table(keys):
    return GOOD.replace("[[repository]]", TABLE.format(keys))


def test_columns_that_are_never_stored_as_they_come_are_named_by_table():
    text = with_table('id = ["Record Id"]\nmask = ["Phone", "Mobile"]\ndrop = ["Notes"]')
    (table,) = config.parse(text).source[0].table
    assert (table.mask, table.drop) == (("Phone", "Mobile"), ("Notes",))


def test_what_is_hidden_twice_or_is_the_id_is_named_with_its_key():
    keys = 'id = ["Record Id", "Id"]\nmask = ["Phone", "Id"]\ndrop = ["Phone", "Record Id", " "]'
    assert problems_of(with_table(keys)) == [
        'source.crm.table.0.mask: "Phone" is in drop, too; it can be in one of them',
        'source.crm.table.0.mask: "Id" is the id: by it a record is known again in your CRM',
        'source.crm.table.0.drop: "Record Id" is the id: by it a record is known again in your CRM',
        "source.crm.table.0.drop: a column has a name",
    ]


def test_a_table_s_key_that_nobody_knows_is_near_one_of_its_own():
    (problem,) = problems_of(with_table('maks = ["Phone"]'))
    assert problem == 'source.crm.table.0.maks: this key is not known (did you mean "mask"?)'


MESSAGES = '[messages]\nto = ["${secret:mail}"]\n'


def test_messages_go_out_weekly_unless_that_is_switched_off():
    told = [
        config.parse(GOOD + MESSAGES + line).messages.weekly
        for line in ("", 'weekly = "daily at 07:00"', 'weekly = ""', 'weekly = "never"')
    ]
    assert told == ["weekly on mon at 08:00", "daily at 07:00", "", ""]
    assert config.parse(GOOD).messages.to == ()


@pytest.mark.parametrize(
    ("wrong", "path", "words"),
    [
        ('to = ["mailtos://u:hunter2@smtp.example"]', "messages.to.0", "a secret must not stand"),
        ('to = ["${secret:a}", "${secret:a}"]', "messages", "names one address twice"),
        (f"to = {[f'${{secret:a{n}}}' for n in range(11)]}", "messages.to", "10"),
        ('weekly = "monday morning"', "messages.weekly", "daily at 03:00"),
        ('weekly = "after backup"', "messages", "a time of its own"),
        ('quiet = "at night"', "messages.quiet", "22:00-06:30"),
        ('quite = "22:00-07:00"', "messages.quite", 'did you mean "quiet"'),
    ],
)
def test_what_is_wrong_with_messages_is_said_in_words(wrong, path, words):
    (found,) = problems_of(f"{GOOD}[messages]\n{wrong}\n")
    assert found.startswith(f"{path}: ")
    assert words in found
    assert "hunter2" not in found


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        (None, "is missing"),
        ("file://host/etc/shadow", "is no service"),
        ("json://host/x?template=/etc/shadow", "must not stand behind"),
        ("mailtos://u:hunter2@smtp.example/?verify=no", "must not stand behind"),
        ("boss@shop.example", "write it like mailtos://"),
        ("mailtos://u:hunter2@smtp.example/?to=boss@shop.example", ""),
    ],
)
def test_an_address_that_cannot_be_used_is_named_by_check(tmp_path, secret, words):
    text = f'[appliance]\nstate = "{tmp_path}"\n{MESSAGES}'
    box = Box(config.parse(text))
    if secret:
        box.secrets.put("mail", secret)
    if not words:
        box.check_secrets()
        return
    with pytest.raises(ConfigError) as caught:
        box.check_secrets()
    assert words in caught.value.message
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize("name", ["Office\\nBcc: x@y.example", "Office\\u0007", "Office\\r"])
def test_the_name_of_the_box_is_one_line_as_it_begins_each_message(name):
    (problem,) = problems_of(f'[appliance]\nname = "{name}"\n' + GOOD)
    assert problem.startswith("appliance.name: it must be one line")


def test_the_name_of_the_box_may_have_letters_of_any_language():
    assert config.parse('[appliance]\nname = "Büro “Süd” 2"\n' + GOOD).appliance.name

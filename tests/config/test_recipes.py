"""A recipe that cannot work is named as such before the night in which it would not."""

from __future__ import annotations

import re
import tomllib

import pytest

from appliance.config import recipes
from appliance.config.sources import RecipeSource
from appliance.core.errors import ConfigError
from appliance.sources import content

HEAD = 'base = "https://crm.example.org"\nhosts = ["crm.example.org"]\n'
LIST = '[[step]]\nname = "list"\nurl = "/rows"\nrecords = "body"\nto = "rows.jsonl"\n'
START = '[[step]]\nname = "start"\nurl = "/start"\njob = "1d"\nsave.job = "body.id"\n'
FILE = '[[step]]\nname = "file"\nurl = "/file"\nto = "a.csv"\n'


def problems(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        recipes.checked(tomllib.loads(text))
    return caught.value.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + START + 'to = "a.csv"', "job only starts"),
        (HEAD + START + 'until = "body.done"\n' + LIST, "job only starts"),
        (HEAD + LIST + 'verify = "csv"', "records are none"),
        (HEAD + START.replace("job =", "renew =") + LIST, "renew needs to"),
        (HEAD + FILE + 'verify = "cvs"', '"cvs" is no kind of file (did you mean "csv"?)'),
        (HEAD + FILE + 'expect.total = "body.total"', "expect.total needs records"),
        (HEAD + LIST + '[[step]]\nurl = "/x"\nuntil = "body"\nevery = "0s"', "a second at least"),
        (HEAD + LIST + 'paginate = { next = "body.n", into = "json.n" }', "names json"),
        (HEAD + LIST + 'paginate = { next = "body.n", into = "form.n" }', "names form"),
        (
            HEAD + LIST + '[[step]]\nurl = "/kinds"\nsave.kinds = "body"\n'
            'paginate = { next = "body.n", into = "query.n" }',
            "of all pages but the last nothing would be kept",
        ),
        (
            HEAD
            + '[[step]]\nname = "links"\nurl = "/l"\nsave.l = "body"\n'
            + FILE
            + 'renew = "links"\npaginate = { next = "body.n", into = "url" }',
            "cannot find its way back",
        ),
        (HEAD + START + FILE + 'renew = "start"', "cannot be asked again"),
        (HEAD + LIST + '[[step]]\nurl = "/s"\nsave.s = "body"\nunchanged = "${s}"', "be left out"),
        (HEAD + LIST + "fail = \"body.id == '${jop?}${jop}'\"", "${jop} is not saved before"),
        (HEAD + LIST + "fail = \"body.id == '${j b}'\"", "is not written like"),
        (HEAD + LIST + 'save.x = "body.${what}"', "${what} is not saved before"),
        (HEAD.replace("crm.ex", "${auth.url}.ex") + LIST, "${auth.url} is not saved before"),
        (HEAD + LIST.replace("rows.", "${item}."), "${item} is not saved before"),
        (
            'each = ["a"]\n' + HEAD + LIST + '[[step]]\nonce = true\nurl = "/${item}"',
            "${item} is not saved before",
        ),
        (
            HEAD + START + LIST + '[[step]]\nonce = true\nurl = "/${job}"',
            "${job} is not saved before",
        ),
        ('each = ["a", { name = "a" }]\n' + HEAD + LIST, 'two items are named "a"'),
        (
            'each = ["a", { name = "b" }]\n' + HEAD + LIST.replace("/rows", "/${item.name}"),
            '${item.name} is not there for "a"',
        ),
        ('repeat_while = "t"\n' + HEAD + LIST + "once = true\nsave.t = 'body.t'", "each round"),
        ('hosts = ["*.com"]\n' + LIST, '"*.com" is too wide'),
        ('hosts = ["*"]\n' + LIST, '"*" is too wide'),
        (
            HEAD + LIST + '[setting.a]\ntitle = "A"\ndefault = "${setting.b}"\n'
            '[setting.b]\ntitle = "B"\n',
            "${setting.b} is no setting before it",
        ),
    ],
)
def test_a_recipe_that_cannot_work_is_refused(text, said):
    assert said in problems(text)


def source(**more: object) -> RecipeSource:
    return RecipeSource.model_validate({"name": "crm", "type": "recipe", **more})


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"only": ["a", "deels"]}, '"deels" in only is no kind of records (did you mean "deals"?)'),
        ({"without": ["x*"]}, '"x*" in without is no kind of records'),
        ({"key": "${secret:key}"}, "key is no secret: write it itself"),
        ({"recipe": "my.toml"}, "is no whole path"),
    ],
)
def test_what_an_office_gives_to_a_recipe_is_looked_at(tmp_path, more, said):
    file = tmp_path / "my.toml"
    file.write_text('each = ["a", "deals"]\n' + HEAD + LIST + '[setting.key]\ntitle = "K"\n')

    with pytest.raises(ValueError, match="(?s)" + re.escape(said)):
        source(**{"recipe": str(file), "key": "k", **more})

    assert source(recipe=str(file), key="k", only=["a", "d*"]).given == {"key": "k"}


def test_every_kind_of_file_that_may_be_wanted_can_be_told(tmp_path):
    known = {kind for _, kind in content._MAGIC} - {"pdf", "image"}

    assert known <= set(recipes.FORMATS)


def test_a_secret_that_only_the_hosts_or_items_name_is_looked_up():
    text = 'each = "${secret:kinds}"\nhosts = ["${secret:host}"]\n' + LIST

    assert recipes.secrets_named(recipes.checked(tomllib.loads(text))) == ["host", "kinds"]


def test_what_is_wrong_with_an_own_recipe_is_named_with_its_file(tmp_path):
    file = tmp_path / "my.toml"
    file.write_text(HEAD + LIST.replace("records", "recods"))

    with pytest.raises(ConfigError) as caught:
        recipes.with_recipes({"source": [{"name": "crm", "recipe": str(file)}]})

    assert f"{file} step.list.recods: this key is not known" in caught.value.message

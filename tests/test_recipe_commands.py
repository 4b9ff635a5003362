"""`appliance recipe ...`: which CRMs there are, and what is wrong with one's own recipe."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from appliance.cli import main
from appliance.config import recipes

EXAMPLE = Path(__file__).parent.parent / "image" / "recipe.toml"


def run(*words: str):
    return CliRunner().invoke(main, ["recipe", *words])


@pytest.mark.parametrize("name", recipes.shelf())
def test_every_shipped_recipe_is_right_and_says_what_people_must_know(name):
    file = recipes.named(name)

    assert file.recipe is not None
    assert file.recipe.office, "what an office does at the vendor's"
    assert file.recipe.missing, "what is not in the backup"
    assert file.recipe.documents
    assert run("show", name).exit_code == 0
    assert run("check", str(recipes.SHELF / f"{name}.toml")).exit_code == 0


def test_the_list_names_each_and_marks_the_fragile_ones():
    lines = run("list").output.splitlines()

    assert len(lines) >= len(recipes.shelf())
    assert [line.split()[0] for line in lines if line.endswith("fragile")] == ["salesforce-weekly"]
    assert json.loads(run("list", "--json").output)["hubspot"]["title"] == "HubSpot"


def test_a_recipe_is_explained_step_by_step():
    told = run("check", str(EXAMPLE))

    assert told.exit_code == 0
    assert "2. start: Starts a job (POST /exports)" in told.output
    assert "Never starts more than 30 exports in 24 hours" in told.output


def test_all_that_is_wrong_with_a_recipe_is_named_at_once(tmp_path: Path):
    wrong = EXAMPLE.read_text().replace("until =", "untill =").replace('body.link"', 'body.[link"')
    file = tmp_path / "my.toml"
    file.write_text(wrong)

    told = run("check", str(file))

    assert told.exit_code == 2
    assert 'step.wait.untill: this key is not known (did you mean "until"?)' in told.output
    assert "step.wait.save.link: this is not JMESPath" in told.output
    assert len(json.loads(run("check", str(file), "--json").output)["problems"]) >= 2


def test_a_file_that_is_no_toml_and_a_name_that_nobody_has_are_said_so(tmp_path: Path):
    (tmp_path / "my.toml").write_text("a = [")

    assert "is not valid TOML" in run("check", str(tmp_path / "my.toml")).output
    assert 'did you mean "hubspot"?' in run("show", "hubspott").output

"""What Chalice reads: its stages, and the files that are made of pyproject.toml."""

from __future__ import annotations

import json

import pytest
from packaging.requirements import Requirement

from chalicelib.names import FUNCTIONS
from transship.deploy.checks import SELF_QUEUEING
from transship.deploy.paths import ROOT
from transship.deploy.pins import files, wanted
from transship.deploy.project import CONFIG, Stage, policy_name
from transship.errors import CommandError
from transship.local.accounts import OTHER_ACCOUNT
from transship.local_world import EXTERNAL_ID, READ_BACK_ROLE

CHALICE = json.loads(CONFIG.read_text())


def test_every_function_has_a_policy_of_its_own() -> None:
    found = {name: settings["iam_policy_file"] for name, settings in CHALICE["lambda_functions"].items()}

    assert found == {function: policy_name(function) for function in FUNCTIONS}
    assert CHALICE["autogen_policy"] is False


@pytest.mark.parametrize("stage", sorted(CHALICE["stages"]))
def test_settings_of_the_stage_are_possible(stage: str) -> None:
    assert Stage.read(stage).settings.stage == stage


def test_only_the_local_stage_is_lenient() -> None:
    lenient = {name for name in CHALICE["stages"] if Stage.read(name).settings.repository_mutability == "MUTABLE"}

    assert lenient == {"local"}
    assert not Stage.read("prod").settings.create_repositories


def test_local_stage_reads_back_by_the_role_that_this_machine_makes() -> None:
    reader = Stage.read("local").settings.readers[OTHER_ACCOUNT]

    assert reader.role_arn == f"arn:aws:iam::{OTHER_ACCOUNT}:role/{READ_BACK_ROLE}"
    assert reader.external_id == EXTERNAL_ID


def test_unknown_stage_is_refused_with_the_known_ones() -> None:
    with pytest.raises(CommandError, match="no stage nowhere") as refused:
        Stage.read("nowhere")

    assert "prod" in refused.value.remedy


def test_packaged_functions_have_the_names_that_deployed_ones_have() -> None:
    resources = json.loads((CONFIG.parent / "functions.json").read_text())["Resources"]

    for function in FUNCTIONS:
        named = {"Fn::Sub": f"transship-${{Stage}}-{function}"}
        assert resources[function.title()]["Properties"]["FunctionName"] == named
        assert resources[f"{function.title()}Role"]["Properties"] == {"RoleName": named}


def test_packaged_functions_that_queue_for_themselves_may() -> None:
    resources = json.loads((CONFIG.parent / "functions.json").read_text())["Resources"]
    allowed = {name.lower() for name, body in resources.items() if body["Properties"].get("RecursiveLoop") == "Allow"}

    assert allowed == set(SELF_QUEUEING)


@pytest.mark.parametrize("name", ["requirements.txt", "constraints.txt"])
def test_pins_are_those_of_pyproject(name: str) -> None:
    assert (ROOT / name).read_text() == files()[name], "run `make pins`"


def test_everything_wanted_is_pinned() -> None:
    shipped, development = wanted()
    loose = [text for text in [*shipped, *development] if "==" not in str(Requirement(text).specifier)]

    assert loose == []


def test_what_ships_has_no_second_sdk() -> None:
    names = {line.partition("==")[0] for line in (ROOT / "requirements.txt").read_text().splitlines()}

    assert not names & {"aws-xray-sdk", "aiobotocore", "moto", "chalice"}

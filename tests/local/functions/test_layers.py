"""Layers: zips that several functions share, unpacked beside their own code."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.local.functions.conftest import Deployment, zipped
from transship.local.functions.service import RUNTIME

USES_LAYER = """
import shared

def handler(event, context):
    return shared.WHO
"""


def publish(deployment: Deployment, name: str, who: str, folder: str) -> str:
    """Publish a layer with a module `shared` and return the ARN of its version."""
    content = zipped({f"{folder}/shared.py": f"WHO = {who!r}"})
    answer = deployment.client("lambda").publish_layer_version(LayerName=name, Content={"ZipFile": content})
    return str(answer["LayerVersionArn"])


@pytest.mark.parametrize("folder", ["python", f"python/lib/{RUNTIME}/site-packages"], ids=["plain", "versioned"])
def test_function_imports_from_its_layer(deployment: Deployment, folder: str) -> None:
    name = f"layered-{len(folder)}"
    deployment.function(name, USES_LAYER, Layers=[publish(deployment, name, "layer", folder)])

    assert deployment.invoke(name)[1] == "layer"


def test_later_layer_lies_over_earlier_one_and_code_over_both(deployment: Deployment) -> None:
    layers = [publish(deployment, "first", "first", "python"), publish(deployment, "second", "second", "python")]
    deployment.function("two-layers", USES_LAYER, Layers=layers)
    code = zipped({"app.py": USES_LAYER, "shared.py": "WHO = 'code'"})
    deployment.function("own-copy", USES_LAYER, Layers=layers, Code={"ZipFile": code})

    assert deployment.invoke("two-layers")[1] == "second"
    assert deployment.invoke("own-copy")[1] == "code"


def test_new_layer_version_needs_new_process(deployment: Deployment) -> None:
    deployment.function("renewed", USES_LAYER, Layers=[publish(deployment, "renewed", "old", "python")])
    assert deployment.invoke("renewed")[1] == "old"

    deployment.client("lambda").update_function_configuration(
        FunctionName="renewed", Layers=[publish(deployment, "renewed", "new", "python")]
    )

    assert deployment.invoke("renewed")[1] == "new"


def test_layer_version_is_found_by_arn(deployment: Deployment) -> None:
    arn = publish(deployment, "known", "known", "python")
    client = deployment.client("lambda")

    assert client.get_layer_version_by_arn(Arn=arn)["LayerVersionArn"] == arn
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        client.get_layer_version_by_arn(Arn=f"{arn}9")

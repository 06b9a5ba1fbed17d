"""What Airflow reads at start-up must please every Airflow that we support."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from importlib import metadata, resources

import jsonschema
import pytest
from airflow.providers_manager import ProvidersManager

from airflow_provider_kaltura.get_provider_info import get_provider_info

CONNECTION_TYPE = get_provider_info()["connection-types"][0]


def schema(name):
    """Read one of Airflow's own schemas."""
    return json.loads((resources.files("airflow") / name).read_text())


def test_info_follows_the_schema_of_this_airflow():
    """The dict is what this Airflow's own schema for installed providers asks for."""
    validator = jsonschema.validators.validator_for(schema("provider_info.schema.json"))
    errors = [
        error.message for error in validator(schema("provider_info.schema.json")).iter_errors(get_provider_info())
    ]
    assert errors == []


def test_connection_type_follows_the_strict_schema():
    """The connection type passes the stricter schema of provider.yaml, where this Airflow knows conn-fields."""
    strict = schema("provider.yaml.schema.json")["properties"]["connection-types"]
    errors = jsonschema.validators.validator_for(strict)(strict).iter_errors([CONNECTION_TYPE])
    assert [error.message for error in errors] == []


def test_a_conn_field_without_a_label_is_refused():
    """The check above can fail: the newest schema insists on a label."""
    strict = schema("provider.yaml.schema.json")["properties"]["connection-types"]
    if "conn-fields" not in strict["items"]["properties"]:
        pytest.skip("this Airflow does not know conn-fields")
    broken = {**CONNECTION_TYPE, "conn-fields": {"user_id": {"schema": {"type": "string"}}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate([broken], strict)


def test_every_key_is_known_to_some_airflow():
    """A misspelt key would be ignored in silence."""
    known = {"package-name", "name", "description", *schema("provider.yaml.schema.json")["properties"]}
    assert set(get_provider_info()) <= known


def test_package_name_is_that_of_the_distribution():
    """A wrong name breaks the import of Airflow itself."""
    assert get_provider_info()["package-name"] == metadata.metadata("airflow-provider-kaltura")["Name"]


def test_entry_point_gives_the_info():
    """Airflow finds the function through the entry point."""
    (entry_point,) = metadata.distribution("airflow-provider-kaltura").entry_points.select(
        group="apache_airflow_provider"
    )
    assert entry_point.load()() == get_provider_info()


@pytest.mark.parametrize("key", ["hooks", "operators", "sensors", "triggers"])
def test_listed_modules_exist(key):
    """Every module that the info lists can be imported."""
    for group in get_provider_info()[key]:
        for module in group["python-modules"]:
            assert importlib.import_module(module).__name__ == module


def test_hook_class_is_where_the_info_says():
    """The connection type names the hook's real place, type and name."""
    module, name = CONNECTION_TYPE["hook-class-name"].rsplit(".", 1)
    hook = getattr(importlib.import_module(module), name)
    assert (hook.conn_type, hook.hook_name) == (CONNECTION_TYPE["connection-type"], CONNECTION_TYPE["hook-name"])


def test_callers_get_a_copy():
    """Airflow changes what it was given; the next caller must not see that."""
    get_provider_info()["connection-types"][0]["conn-fields"].clear()
    assert get_provider_info()["connection-types"][0]["conn-fields"]


def test_importing_it_imports_nothing_of_ours_or_airflows():
    """It runs whenever Airflow starts, so it must cost nothing."""
    code = (
        "import sys, airflow_provider_kaltura.get_provider_info as m; m.get_provider_info();"
        "print([n for n in sys.modules if n.split('.')[0] in {'airflow', 'airflow_provider_kaltura'}])"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "['airflow_provider_kaltura', 'airflow_provider_kaltura.get_provider_info']"


def test_airflow_lists_the_provider_and_its_form():
    """The providers manager of this Airflow takes provider and form without a complaint."""
    manager = ProvidersManager()
    assert "airflow-provider-kaltura" in manager.providers
    names = {name for name in manager.connection_form_widgets if name.startswith("extra__kaltura__")}
    assert names == {f"extra__kaltura__{field}" for field in CONNECTION_TYPE["conn-fields"]}
    behaviour = manager.field_behaviours["kaltura"]
    assert behaviour["relabeling"] == CONNECTION_TYPE["ui-field-behaviour"]["relabeling"]

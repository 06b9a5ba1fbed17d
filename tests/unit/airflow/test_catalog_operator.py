"""The operator that exports a catalogue: arguments as templates leave them, and errors that say what to do."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from airflow_provider_kaltura.exceptions import KalturaArgumentError, KalturaPermanentError, KalturaProviderError
from airflow_provider_kaltura.ingest import catalog_schema
from airflow_provider_kaltura.operators import KalturaExportCatalogOperator
from airflow_provider_kaltura.operators._listing_words import WORDS
from airflow_provider_kaltura.sandbox import small


def run(root, **words):
    """Export once."""
    return KalturaExportCatalogOperator(task_id="catalog", root=str(root), **words).execute({})


def test_all_conditions_are_templates():
    """Each word of a listing is an argument, and a template."""
    assert set(KalturaExportCatalogOperator.template_fields) == {
        "root",
        "storage_conn_id",
        "tables",
        "keep",
        "replace_any",
        *WORDS,
    } | {"kaltura_conn_id"}


@pytest.mark.usefixtures("sandbox")
def test_the_result_is_small_and_plain(tmp_path):
    """It counts, and tells where the export stands."""
    result = run(f"{tmp_path}/lake/")
    assert json.loads(json.dumps(result)) == result
    assert set(result) == {"root", "export", "path", "rows", "files", "bytes", "months", "removed", "seconds"}
    assert result["root"] == f"{tmp_path}/lake"
    assert (tmp_path / "lake" / result["path"]).is_dir()
    assert list(result["rows"]) == ["entries", "flavors", "captions", "categories"]


@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize(
    "given", ["captions,entries", '["captions", "entries"]', "['captions', 'entries']", ("entries", "captions")]
)
def test_tables_come_in_any_form(tmp_path, given):
    """What a template gives, too; in the order of the documentation."""
    assert list(run(tmp_path, tables=given)["rows"]) == ["entries", "captions"]


@pytest.mark.usefixtures("sandbox")
def test_empty_fields_of_a_form_are_the_defaults(tmp_path):
    """All statuses but deleted, any moderation, three exports."""
    whole = run(tmp_path / "a")["rows"]
    assert run(tmp_path / "b", statuses="", moderation="None", keep="", tags="", owners=None)["rows"] == whole
    assert run(tmp_path / "c", statuses="2", moderation="passed")["rows"]["entries"] < whole["entries"]


@pytest.mark.usefixtures("sandbox")
def test_an_empty_list_is_no_entry(tmp_path):
    """What a task before that found no owners gives."""
    assert run(tmp_path / "lake", owners=[])["rows"]["entries"] == 0


@pytest.mark.usefixtures("sandbox")
def test_a_missing_pyarrow_is_an_argument_that_can_not_be(tmp_path, monkeypatch):
    """Retrying can't help; the message names the command, and nothing is written."""
    monkeypatch.setattr(catalog_schema, "find_spec", lambda _name: None)
    with pytest.raises(KalturaPermanentError, match=r"airflow-provider-kaltura\[catalog\]"):
        run(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_place_that_can_not_be_written_is_named(sandbox, tmp_path):
    """With its path; no secret is in what is said."""
    (tmp_path / "catalog").write_text("in the way")
    with pytest.raises(KalturaProviderError, match=str(tmp_path)) as caught:
        run(tmp_path)
    assert small.ADMIN_SECRET not in str(caught.value) + repr(caught.value.__cause__)
    assert sandbox.library.entries


@pytest.mark.usefixtures("sandbox")
def test_a_misspelt_field_is_told(tmp_path):
    """Kaltura would ignore it, and the catalogue would have too much."""
    with pytest.raises(KalturaProviderError, match="nameLikes"):
        run(tmp_path, filter={"nameLikes": "x"})
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.usefixtures("sandbox")
def test_placeholders_are_refused(tmp_path):
    """One root has one catalogue for each account."""
    with pytest.raises(KalturaArgumentError, match="placeholders"):
        run(f"{tmp_path}/{{entryId}}")


def test_a_dag_file_loads_no_pyarrow():
    """It is imported where rows are written."""
    code = (
        "import sys\n"
        "from airflow_provider_kaltura.operators import KalturaExportCatalogOperator\n"
        "KalturaExportCatalogOperator(task_id='t', root='/x')\n"
        "heavy = {'pyarrow', 'KalturaClient', 'airflow_provider_kaltura.ingest.catalog'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]

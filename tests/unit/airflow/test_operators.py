"""The two operators against the sandbox, through real HTTP."""

from __future__ import annotations

import inspect
import json
import typing

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_kaltura import xcom
from airflow_provider_kaltura.compat import AirflowException, AirflowFailException
from airflow_provider_kaltura.exceptions import (
    KalturaArgumentError,
    KalturaNoFlavorError,
    KalturaNotReadyError,
    KalturaPermanentError,
)
from airflow_provider_kaltura.operators import (
    KalturaCleanStorageOperator,
    KalturaDownloadToStorageOperator,
    KalturaGetDownloadUrlOperator,
    KalturaVerifyStorageOperator,
)
from airflow_provider_kaltura.sandbox import lifecycle, small
from airflow_provider_kaltura.sandbox.library import FLAVOR, StoredFile
from airflow_provider_kaltura.sensors import KalturaFlavorReadySensor

pytestmark = pytest.mark.usefixtures("sandbox")

SOURCE = small.flavor_id_of(small.READY, 0)
URL_KEYS = [
    "entryId",
    "entryName",
    "flavorId",
    "fileSize",
    "bitrate",
    "format",
    "downloadUrl",
    "flavorParamsId",
    "version",
    "width",
    "height",
    "isOriginal",
    "status",
    "needsSession",
]


def get_url(**arguments):
    """Run the URL operator."""
    return KalturaGetDownloadUrlOperator(task_id="url", **{"entry_id": small.READY, **arguments}).execute({})


def download(tmp_path, **arguments):
    """Run the download operator."""
    arguments = {"destination": f"{tmp_path}/{{entryId}}/{{flavorId}}.{{format}}", **arguments}
    return KalturaDownloadToStorageOperator(task_id="download", **arguments).execute({})


def stored(library, flavor_id, version="2"):
    """Give the bytes that the sandbox keeps for a flavor."""
    return library.file(flavor_id, version).read()


def replace_file(library, flavor_id, size_bytes=70_001):
    """Give a flavor another file, as flavorAsset.setContent does."""
    version = lifecycle.next_version(library.assets[FLAVOR][flavor_id]["version"])
    lifecycle.store_flavor_file(library, flavor_id, StoredFile(flavor_id, version, size_bytes, "mp4"))
    return version


def test_url_operator_returns_the_documented_keys():
    """The dict has exactly the keys of its TypedDict, which are those that the reference names."""
    result = get_url()
    assert sorted(result) == sorted(URL_KEYS)
    assert sorted(typing.get_type_hints(xcom.DownloadUrl, localns={"Outcome": object})) == sorted(URL_KEYS)


def test_url_operator_describes_the_flavor(sandbox, library):
    """Values are the flavor's own, with sizeInBytes for the size."""
    asset = library.assets[FLAVOR][SOURCE]
    result = get_url()
    assert result["entryId"] == small.READY
    assert result["entryName"] == library.entries[small.READY]["name"]
    assert result["flavorId"] == SOURCE
    assert result["fileSize"] == int(asset["sizeInBytes"])
    assert (result["width"], result["height"], result["bitrate"]) == (
        asset["width"],
        asset["height"],
        asset["bitrate"],
    )
    assert (result["isOriginal"], result["status"], result["version"]) == (True, 2, "2")
    assert result["needsSession"] is False
    assert result["downloadUrl"].startswith(f"{sandbox.base_url}/p/{small.PARTNER_ID}/")


def test_url_operator_result_is_plain_json():
    """XCom gives back what was pushed."""
    result = get_url()
    assert json.loads(json.dumps(result)) == result


def test_plain_url_is_none_where_only_a_session_opens_the_media():
    """Behind access control no URL with a KS is pushed."""
    result = get_url(entry_id=small.SECURE)
    assert (result["downloadUrl"], result["needsSession"]) == (None, True)


def test_signed_url_is_pushed_when_asked_for():
    """With url_in_xcom="signed" the URL that works is pushed, KS and all."""
    result = get_url(entry_id=small.SECURE, url_in_xcom="signed")
    assert "/ks/" in result["downloadUrl"]
    assert result["needsSession"] is True


def test_signed_leaves_a_plain_url_plain():
    """Nothing is signed without need."""
    result = get_url(url_in_xcom="signed")
    assert "/ks/" not in result["downloadUrl"]
    assert result["needsSession"] is False


def test_none_asks_for_no_url(sandbox):
    """With url_in_xcom="none" there is no URL, and no request for one."""
    result = get_url(url_in_xcom="none")
    assert (result["downloadUrl"], result["needsSession"]) == (None, None)
    assert "flavorasset.getUrl" not in {name.lower() for name in sandbox.log.action_counts()}
    assert not any("geturl" in name.lower() for name in sandbox.log.action_counts())


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"entry_id": None}, KalturaArgumentError, ["entry_id"]),
        ({"entry_id": ""}, KalturaArgumentError, ["entry_id"]),
        ({"entry_id": "../../etc"}, KalturaArgumentError, ["../../etc", "entry id"]),
        ({"entry_id": "0_unknown1"}, KalturaPermanentError, ["0_unknown1"]),
        ({"entry_id": small.IMAGE}, KalturaNoFlavorError, ["no_media:image"]),
        ({"entry_id": small.NEVER}, KalturaNotReadyError, [small.NEVER]),
        ({"flavor": "height>=4000"}, KalturaNoFlavorError, ["height>=4000", SOURCE]),
        ({"flavor": "best, hight<=720"}, KalturaArgumentError, ["position 7"]),
        ({"flavor": "all"}, KalturaArgumentError, ["all"]),
        ({"flavor": 5}, KalturaArgumentError, ["flavor", "int"]),
        ({"url_in_xcom": "yes"}, KalturaArgumentError, ["url_in_xcom", "'plain'", "'signed'", "'none'"]),
    ],
)
def test_url_operator_refuses_with_a_helpful_message(arguments, error, words):
    """A refusal is of the right kind and says what it is about."""
    with pytest.raises(error) as caught:
        get_url(**arguments)
    assert all(word in str(caught.value) for word in words)


def test_ids_may_have_been_pasted_with_blanks():
    """White space around an id is never part of it."""
    assert get_url(entry_id=f" {small.READY}\n")["entryId"] == small.READY


def test_download_by_entry(library, tmp_path):
    """The bytes under the final name are those of the sandbox, and the result says what happened."""
    result = download(tmp_path, entry_id=small.READY)
    path = tmp_path / small.READY / f"{SOURCE}.mp4"
    assert path.read_bytes() == stored(library, SOURCE)
    assert result["path"] == str(path)
    assert result["size"] == path.stat().st_size
    assert (result["outcome"], result["verified"]) == ("downloaded", "full")
    assert (result["entryId"], result["flavorId"], result["version"]) == (small.READY, SOURCE, "2")
    assert result["checksum"].startswith("crc64nvme:")
    assert result["fetchedBytes"] == result["size"]
    assert json.loads(json.dumps(result)) == result


def test_download_result_has_the_documented_keys(tmp_path):
    """The dict has exactly the keys of its TypedDict."""
    assert set(download(tmp_path, entry_id=small.READY)) == set(xcom.DownloadResult.__annotations__)


def test_download_of_a_pushed_url(sandbox, library, tmp_path):
    """The URL operator's dict is enough, and its URL is used."""
    pushed = get_url(flavor="smallest")
    sandbox.log.clear()
    result = download(tmp_path, download=pushed)
    assert (tmp_path / small.READY / f"{pushed['flavorId']}.mp4").read_bytes() == stored(library, pushed["flavorId"])
    assert result["verified"] == "full"
    assert not any("geturl" in name.lower() for name in sandbox.log.action_counts())


def test_download_of_what_the_sensor_returned(library, tmp_path):
    """A dict without a URL is resolved by its flavor."""
    (found,) = KalturaFlavorReadySensor(task_id="wait", entry_id=small.READY).execute({})
    download(tmp_path, download=found)
    assert (tmp_path / small.READY / f"{SOURCE}.mp4").read_bytes() == stored(library, SOURCE)


def test_download_behind_access_control(library, tmp_path):
    """Where only a KS opens the media, the operator finds that URL by itself."""
    pushed = get_url(entry_id=small.SECURE)
    result = download(tmp_path, download=pushed)
    assert (tmp_path / small.SECURE / f"{pushed['flavorId']}.mp4").read_bytes() == stored(library, pushed["flavorId"])
    assert result["outcome"] == "downloaded"


def test_a_replaced_file_is_noticed_after_the_push(library, tmp_path):
    """A new version since the push is fetched, and named in the result."""
    pushed = get_url()
    version = replace_file(library, SOURCE)
    result = download(tmp_path, download=pushed)
    assert result["version"] == version
    assert (tmp_path / small.READY / f"{SOURCE}.mp4").read_bytes() == stored(library, SOURCE, version)


def test_a_flavor_that_is_converted_again_is_not_ready(library, tmp_path):
    """A pushed flavor that is no longer ready is a failure that a retry may cure."""
    pushed = get_url()
    lifecycle.set_flavor_status(library, SOURCE, lifecycle.CONVERTING)
    with pytest.raises(KalturaNotReadyError, match=SOURCE):
        download(tmp_path, download=pushed)
    assert list(tmp_path.rglob("*.mp4")) == []


def test_a_refused_url_is_asked_for_again(library, tmp_path):
    """A pushed URL that serves nothing any more is replaced by one that does."""
    pushed = get_url()
    pushed["downloadUrl"] = pushed["downloadUrl"].replace(small.READY, "0_deleted1")
    download(tmp_path, download=pushed)
    assert (tmp_path / small.READY / f"{SOURCE}.mp4").read_bytes() == stored(library, SOURCE)


def test_a_bare_url_is_proved_by_its_length_alone(library, tmp_path, monkeypatch):
    """A URL needs no connection; the result says how little is known."""
    url = get_url()["downloadUrl"]
    monkeypatch.delenv("AIRFLOW_CONN_KALTURA_DEFAULT")
    result = download(tmp_path, download=url, destination=f"{tmp_path}/a.mp4")
    assert (tmp_path / "a.mp4").read_bytes() == stored(library, SOURCE)
    assert result["verified"] == "length"


@pytest.mark.parametrize("write", [json.dumps, str], ids=["json", "python"])
def test_a_dict_may_have_become_a_text(tmp_path, write):
    """Jinja makes a text of the dict; it is still that dict."""
    assert download(tmp_path, download=write(get_url()))["flavorId"] == SOURCE


def test_a_second_run_skips(tmp_path):
    """What is recorded and unchanged is left alone, without a request for media."""
    download(tmp_path, entry_id=small.READY)
    result = download(tmp_path, entry_id=small.READY)
    assert (result["outcome"], result["fetchedBytes"]) == ("skipped", 0)


def test_an_unrecorded_file_of_the_same_length_is_adopted(library, tmp_path):
    """What stood there before this package came is adopted, and the result says so."""
    path = tmp_path / small.READY / f"{SOURCE}.mp4"
    path.parent.mkdir()
    path.write_bytes(stored(library, SOURCE))
    assert download(tmp_path, entry_id=small.READY)["outcome"] == "adopted"


def test_a_changed_flavor_replaces_the_file(library, tmp_path):
    """Another version of the flavor replaces what stands there."""
    download(tmp_path, entry_id=small.READY)
    version = replace_file(library, SOURCE)
    result = download(tmp_path, entry_id=small.READY)
    assert (result["outcome"], result["version"]) == ("replaced", version)
    assert (tmp_path / small.READY / f"{SOURCE}.mp4").read_bytes() == stored(library, SOURCE, version)


def test_if_exists_fail_is_permanent(tmp_path):
    """Nothing stands in the way twice: the second run fails and is not retried."""
    download(tmp_path, entry_id=small.READY)
    with pytest.raises(AirflowFailException, match="if_exists"):
        download(tmp_path, entry_id=small.READY, if_exists="fail")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, ["exactly one", "entry_id", "download", "none"]),
        ({"entry_id": "", "download": None}, ["exactly one", "entry_id", "download"]),
        ({"entry_id": small.READY, "download": {"flavorId": SOURCE}}, ["exactly one", "entry_id and download"]),
        ({"entry_id": small.READY, "if_exists": "replace"}, ["if_exists", "'skip'", "'overwrite'", "'fail'"]),
        ({"entry_id": small.READY, "checksum": "md5"}, ["checksum", "'crc64nvme'", "'sha256'", "'none'"]),
        ({"entry_id": small.READY, "destination": "/lake/{entry_id}"}, ["entry_id", "{entryId}", "{updatedAt}"]),
        ({"entry_id": small.READY, "destination": "lake/a.mp4"}, ["absolute"]),
        ({"entry_id": small.READY, "destination": "s3://key:word@bucket/a.mp4"}, ["connection", "never a password"]),
        ({"entry_id": small.READY, "destination": "nosuch://host/a.mp4"}, ["nosuch://", "s3://", "gs://", "abfs://"]),
        ({"entry_id": small.READY, "destination": "https://host/a.mp4"}, ["https://", "no destination"]),
        ({"download": [{"flavorId": SOURCE}, {"flavorId": SOURCE}]}, ["download", "list"]),
        ({"download": "ftp://example.org/a.mp4"}, ["http"]),
        ({"download": {"entryId": small.READY}}, ["flavorId"]),
        ({"download": "[" * 100_000}, ["download", "can't be read"]),
        ({"download": {"flavorId": SOURCE, "fileSize": float("inf")}}, ["fileSize", "download"]),
        ({"entry_id": small.READY, "flavor": 5}, ["flavor", "int"]),
        ({"entry_id": small.READY, "flavor": {"best": 1}}, ["flavor", "dict"]),
        ({"entry_id": small.READY, "destination": 5}, ["destination", "int"]),
        ({"entry_id": small.READY, "destination": ["/lake/"]}, ["destination", "list"]),
        ({"entry_id": small.READY, "state_root": ["/lake"]}, ["state_root", "list"]),
        ({"entry_id": small.READY, "if_exists": ["skip"]}, ["if_exists", "'skip'"]),
    ],
)
def test_download_operator_refuses_with_a_helpful_message(tmp_path, arguments, words):
    """Wrong arguments are named before anything moves, and the task is not retried."""
    with pytest.raises(KalturaArgumentError) as caught:
        download(tmp_path, **arguments)
    assert all(word in str(caught.value) for word in words)


OPERATORS = [
    KalturaGetDownloadUrlOperator,
    KalturaDownloadToStorageOperator,
    KalturaVerifyStorageOperator,
    KalturaCleanStorageOperator,
    KalturaFlavorReadySensor,
]


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_argument_of_the_user_is_templated(operator):
    """All arguments but switches of the sensor are template fields."""
    own = {
        name
        for name, parameter in inspect.signature(operator.__init__).parameters.items()
        if name not in {"self", "deferrable"} and parameter.kind is parameter.KEYWORD_ONLY
    }
    assert own <= set(operator.template_fields)
    assert set(operator.template_fields) <= own


@pytest.mark.parametrize("operator", OPERATORS)
def test_arguments_are_kept_as_they_came(operator):
    """Nothing is checked or changed before templates are rendered."""
    names = operator.template_fields
    made = operator(task_id="any", **{name: f"{{{{ params.{name} }}}}" for name in names})
    assert {name: getattr(made, name) for name in names} == {name: f"{{{{ params.{name} }}}}" for name in names}


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_docstring_marks_what_is_templated(operator):
    """People read the docstring to know what may be a template."""
    for name in operator.template_fields:
        assert f":param {name}: (templated)" in operator.__doc__


@pytest.mark.parametrize("operator", OPERATORS)
def test_arguments_go_by_keyword_only(operator):
    """A position can never be mistaken."""
    with pytest.raises((TypeError, AirflowException)):
        operator("task", small.READY)


def test_operators_can_be_mapped():
    """Every argument can be given by expand, and by expand_kwargs."""
    with DAG("mapped", schedule=None):
        urls = KalturaGetDownloadUrlOperator.partial(task_id="urls").expand(entry_id=["0_a", "0_b"])
        KalturaDownloadToStorageOperator.partial(task_id="files", destination="/lake/").expand(download=urls.output)
        KalturaDownloadToStorageOperator.partial(task_id="more").expand_kwargs(
            [{"entry_id": "0_a", "destination": "/lake/a.mp4"}]
        )
        mapped = KalturaFlavorReadySensor.partial(task_id="wait").expand(entry_id=["0_a", "0_b"])
    assert mapped.task_id == "wait"


def test_hooks_are_not_made_before_they_are_needed():
    """Making a task reads no connection: DAG files are parsed where there is none."""
    task = KalturaGetDownloadUrlOperator(task_id="any", entry_id=small.READY, kaltura_conn_id="missing")
    assert "hook" not in vars(task)

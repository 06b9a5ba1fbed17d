"""The download operator takes captions and other small files of many entries."""

from __future__ import annotations

import pytest

from airflow_provider_kaltura.exceptions import KalturaArgumentError
from airflow_provider_kaltura.operators import KalturaDownloadToStorageOperator
from airflow_provider_kaltura.sandbox import small


def download(tmp_path, **arguments):
    """Run the operator."""
    arguments = {"destination": f"{tmp_path}/{{entryId}}/{{assetId}}.{{format}}", **arguments}
    return KalturaDownloadToStorageOperator(task_id="download", **arguments).execute({})


@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize("assets", [("captions",), ["captions"], "captions", '["captions"]', "('captions',)"], ids=repr)
def test_assets_are_given_as_people_and_templates_write_them(tmp_path, assets):
    """Each form lands the same files, converted."""
    result = download(tmp_path, entry_ids=[small.READY], assets=assets, caption_format="txt")
    assert (result["downloaded"], result["skipped"]) == (2, 1)
    assert sorted(path.name for path in tmp_path.glob("0_*/*")) == ["0_captions.txt", "0_captionv.txt"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"entry_id": small.READY, "assets": "captions"}, "assets would be ignored.*entry_ids"),
        ({"entry_id": small.READY, "caption_format": "srt"}, "caption_format would be ignored.*entry_ids"),
        ({"entry_ids": [small.READY], "assets": "subtitles"}, "assets has 'subtitles'; there are flavors, captions"),
        ({"entry_ids": [small.READY], "assets": "captions", "caption_format": "doc"}, "caption_format is one of"),
        ({"entry_ids": [small.READY], "caption_format": "srt"}, "needs 'captions' in assets"),
        (
            {"entry_ids": [small.READY], "assets": "captions", "destination": "/tmp/{entryId}/{flavorId}"},  # noqa: S108 - not written to
            r"\{flavorId\} means nothing for captions",
        ),
    ],
)
def test_what_can_t_be_meant_is_told_before_anything_is_asked(sandbox, tmp_path, arguments, text):
    """The text says what there is, or what to use instead."""
    with pytest.raises(KalturaArgumentError, match=text):
        download(tmp_path, **arguments)
    assert sandbox.log.records() == []

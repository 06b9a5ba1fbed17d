"""No parameters, however odd, make the sandbox fail in its own code."""

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from airflow_provider_kaltura.sandbox import ks
from airflow_provider_kaltura.sandbox.api import Api, Caller
from airflow_provider_kaltura.sandbox.control import Control
from airflow_provider_kaltura.sandbox.library import Library, Partner, Place
from airflow_provider_kaltura.sandbox.media import answer
from airflow_provider_kaltura.sandbox.services.registry import names
from tests.unit.sandbox.conftest import NOW, PARTNER, SECRET

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**12), 10**12),
    st.floats(allow_nan=False),
    st.sampled_from(
        ["", "0", "-1", "abc", "0_film", "0_f", "0_film,0_f", "*", "_7", "_x", "1>2", "%", "+", "-createdAt"]
    ),
    st.text(max_size=10),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                [
                    "idEqual",
                    "idIn",
                    "statusEqual",
                    "orderBy",
                    "entryIdEqual",
                    "entryIdIn",
                    "pageSize",
                    "pageIndex",
                    "objectType",
                    "type",
                    "fields",
                    "nameLike",
                    "createdAtGreaterThanOrEqual",
                    "categoriesMatchOr",
                    "categoryAncestorIdIn",
                    "mediaType",
                    "expiry",
                    "sessionType",
                    "hashType",
                    "fileName",
                    "status",
                    "name",
                    "tagsLike",
                    "durationLessThan",
                ]
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=8,
)
NAMES = st.sampled_from(
    [
        "id",
        "entryId",
        "entryIds",
        "filter",
        "pager",
        "responseProfile",
        "partnerId",
        "secret",
        "type",
        "expiry",
        "privileges",
        "widgetId",
        "tokenHash",
        "session",
        "storageId",
        "options",
        "captionAssetId",
        "thumbAssetId",
        "attachmentAssetId",
        "conversionProfileId",
        "entry",
        "mediaEntry",
        "baseEntry",
        "appToken",
        "ignoreNull",
        "version",
        "userId",
    ]
)


def film_library():
    """Return a library with one film."""
    library = Library(clock=lambda: NOW)
    library.partners[PARTNER] = Partner(PARTNER, "user", SECRET)
    control = Control(library)
    control.add_entry("0_film", partner_id=PARTNER)
    control.add_flavor("0_film", "0_f")
    return library


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(
    name=st.sampled_from(sorted(names())),
    parameters=st.dictionaries(NAMES, VALUES, max_size=6),
    kind=st.sampled_from([None, ks.USER, ks.ADMIN]),
    answer_format=st.sampled_from([1, 2]),
)
def test_every_action_answers_any_parameters(name, parameters, kind, answer_format):
    """Every action, with any parameters and any session, gives a readable answer or none."""
    service, _, action = name.partition(".")
    given_parameters = {"service": service, "action": action, "format": answer_format, **parameters}
    if kind is not None:
        session = ks.make(SECRET, PARTNER, kind=kind, user_id="u", expires_at=NOW + 60, privileges="")
        given_parameters["ks"] = session
    reply = Api(film_library()).answer(given_parameters, Caller(Place("http", "h"), "127.0.0.1", "/api_v3/"))
    assert reply.status == 200
    kind_of_body = dict(reply.headers)["Content-Type"]
    if kind_of_body == "application/json":
        json.loads(reply.body)
    elif kind_of_body.startswith("text/xml"):
        etree.fromstring(reply.body)


SEGMENTS = st.one_of(
    st.sampled_from(
        [
            "entryId",
            "entry_id",
            "flavorId",
            "flavor",
            "0_film",
            "0_f",
            "v",
            "2",
            "ks",
            "relocate",
            "fileName",
            "format",
            "url",
            "version",
            "x",
            "%2F",
        ]
    ),
    st.text(st.characters(codec="ascii", blacklist_characters="/?#\r\n"), max_size=8),
)


@given(
    route=st.sampled_from(["serveFlavor", "download", "playManifest", "raw", "thumbnail"]),
    segments=st.lists(SEGMENTS, max_size=8),
    wanted=st.one_of(st.none(), st.text(max_size=12), st.from_regex(r"bytes=\d{0,5}-\d{0,5}", fullmatch=True)),
)
def test_every_media_path_is_answered(route, segments, wanted):
    """Any path below a media route, with any range, gives an answer with a status of its own."""
    path = "/".join([f"/p/{PARTNER}/sp/{PARTNER}00/{route}", *segments])
    caller = Caller(Place("http", "h"), "127.0.0.1", path, range_header=wanted)
    reply = answer(Api(film_library()), caller)
    assert reply is None or reply.status in {200, 206, 302, 404, 416}

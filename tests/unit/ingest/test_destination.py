"""Destinations: what can be written, what comes out, and that nothing leaves the root."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from airflow_provider_kaltura.api.models import Entry, FlavorAsset
from airflow_provider_kaltura.ingest.destination import PLACEHOLDERS, Destination
from airflow_provider_kaltura.ingest.errors import DestinationError

ENTRY = Entry(
    id="0_entry",
    partner_id=102,
    name="Intro",
    reference_id="ref-1",
    created_at=datetime(2026, 3, 4, 23, 30, tzinfo=timezone(-timedelta(hours=2))),
    updated_at=datetime(2026, 4, 5, tzinfo=UTC),
)
ASSET = FlavorAsset(
    id="0_flavor",
    entry_id="0_entry",
    partner_id=102,
    status=2,
    flavor_params_id=4,
    version="12",
    width=640,
    height=360,
    file_ext="mp4",
)


def render(text, *, entry=ENTRY, asset=ASSET, **changes):
    """Render a destination for the usual entry, with some values of its own."""
    values = {**destination_values(entry, asset), **changes}
    return Destination.parse(text).render_values(values)


def destination_values(entry, asset):
    """Give the values of all placeholders."""
    from airflow_provider_kaltura.ingest.destination import flavor_values  # noqa: PLC0415 - a helper's detail

    return flavor_values(entry, asset)


@pytest.mark.parametrize(
    ("text", "root", "key"),
    [
        ("/lake/{entryId}/{flavorId}.{format}", "/lake", "0_entry/0_flavor.mp4"),
        ("/lake/", "/lake", "0_entry/0_flavor.mp4"),
        ("/", "/", "0_entry/0_flavor.mp4"),
        ("/lake/p{partnerId}/{assetId}-{version}.mp4", "/lake", "p102/0_flavor-12.mp4"),
        ("/lake/one/{createdAt:%Y/%m/%d}/{flavorId}.mp4", "/lake/one", "2026/03/05/0_flavor.mp4"),
        ("/lake/{updatedAt:%Y-%j}/{flavorId}.mp4", "/lake", "2026-095/0_flavor.mp4"),
        ("/lake/{createdAt}/{flavorId}", "/lake", "2026-03-05/0_flavor"),
        ("/lake/{createdAt:%H:%M}{flavorId}", "/lake", "01:300_flavor"),
        ("/lake/{entryName} {width}x{height}.{format}", "/lake", "Intro 640x360.mp4"),
        ("/lake/{referenceId}/{flavorParamsId}.{format}", "/lake", "ref-1/4.mp4"),
        ("/lake/fixed/video.mp4", "/lake/fixed", "video.mp4"),
        ("/video.mp4", "/", "video.mp4"),
        ("/lake//double///{flavorId}", "/lake/double", "0_flavor"),
        ("/lake/{partnerId}/", "/lake", "102/0_entry/0_flavor.mp4"),
        ("file:///lake/{flavorId}.mp4", "file:///lake", "0_flavor.mp4"),
        ("file:///{flavorId}.mp4", "file:///", "0_flavor.mp4"),
        ("memory://tests/{flavorId}.mp4", "memory://tests", "0_flavor.mp4"),
        ("s3://conn@bucket/a/b/{entryId}/{flavorId}.mp4", "s3://conn@bucket/a/b", "0_entry/0_flavor.mp4"),
        ("s3://conn@bucket/{flavorId}.mp4", "s3://conn@bucket", "0_flavor.mp4"),
        ("s3://conn@bucket/", "s3://conn@bucket", "0_entry/0_flavor.mp4"),
    ],
)
def test_root_ends_before_the_first_placeholder_and_the_rest_is_the_key(text, root, key):
    """What precedes the first placeholder, up to a slash, is where the state lives; the rest is filled."""
    destination = Destination.parse(text)
    assert (destination.root, destination.render(ENTRY, ASSET)) == (root, key)


@pytest.mark.parametrize(
    ("root", "path"), [("/", "/k"), ("/lake", "/lake/k"), ("s3://b", "s3://b/k"), ("file:///", "file:///k")]
)
def test_path_joins_root_and_key_by_one_slash(root, path):
    """What users see is a name that works."""
    assert Destination("", root, ()).path("k") == path


@pytest.mark.parametrize(
    ("state_root", "root", "key"),
    [
        ("/lake", "/lake", "day/2026/0_flavor"),
        ("/lake/", "/lake", "day/2026/0_flavor"),
        ("/lake/day", "/lake/day", "2026/0_flavor"),
        ("/", "/", "lake/day/2026/0_flavor"),
    ],
)
def test_state_root_moves_the_root_up(state_root, root, key):
    """A root that Jinja would change every day can be pinned to one above it."""
    destination = Destination.parse("/lake/day/2026/{flavorId}", state_root=state_root)
    assert (destination.root, destination.render(ENTRY, ASSET)) == (root, key)
    assert destination.path(key) == "/lake/day/2026/0_flavor"


@pytest.mark.parametrize("state_root", ["/other", "/lake/0_flavor", "/lake/d", "s3://lake", "lake", "/{entryId}"])
def test_state_root_elsewhere_is_refused(state_root):
    """State that does not lie above its files could not be found again from them."""
    with pytest.raises(DestinationError):
        Destination.parse("/lake/day/{flavorId}", state_root=state_root)


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("/lake/{entryID}.mp4", 6, "unknown placeholder {entryID}"),
        ("/lake/{}.mp4", 6, "unknown placeholder"),
        ("/lake/{ entryId }.mp4", 6, "unknown placeholder"),
        ("/lake/{entryId!r}", 6, "unknown placeholder"),
        ("/lake/{entryId.__class__}", 6, "unknown placeholder"),
        ("/lake/{entryId[0]}", 6, "unknown placeholder"),
        ("/lake/{entryId", 6, "brace without its partner"),
        ("/lake/entryId}", 13, "brace without its partner"),
        ("/lake/{{entryId}}", 6, "double braces"),
        ("/lake/{entryId}}", 15, "brace without its partner"),
        ("/lake/{entryId:%Y}", 6, "takes no format"),
        ("/lake/{width:03d}", 6, "takes no format"),
        ("/lake/{createdAt:}", 17, "date format is empty"),
        ("/lake/{createdAt:/}", 17, "date format is empty"),
        ("/lake/{createdAt:YYYY}/{flavorId}.mp4", 17, "'YYYY' has no directive"),
        ("/lake/{updatedAt:yyyy/MM}/{flavorId}.mp4", 17, "write for example"),
        ("/lake/{createdAt:%Y/%q}", 20, "'%q' is not one of"),
        ("/lake/{createdAt:%B}", 17, "'%B' is not one of"),
        ("/lake/{createdAt:%}", 17, "'%' is not one of"),
        ("/lake/{createdAt:%Y/../%m}", 17, "can't leave its folder"),
        ("/lake/../{entryId}", 6, "'..' can't be a level"),
        ("/lake/./{entryId}", 6, "'.' can't be a level"),
        ("/../etc/passwd", 1, "'..' can't be a level"),
        ("lake/{entryId}", 0, "must be an absolute path"),
        ("./{entryId}", 0, "must be an absolute path"),
        ("{entryId}", 0, "must be an absolute path"),
        ("/lake/a\0b", 7, "control character"),
        ("/lake/a\nb", 7, "control character"),
        ("s3://{partnerId}/x", 5, "host or bucket"),
        ("file://lake/{entryId}", 7, "three slashes"),
        ("s3://bucket", 11, "names no file"),
        (f"/{'a' * 256}/x", 1, "longer than 255 bytes"),
        ("", None, "is empty"),
        ("/_kaltura/{entryId}", None, None),
        ("/lake/_kaltura", None, "keeps its state"),
    ],
)
def test_unusable_text_is_an_error_that_says_where(text, position, words):
    """A typo is told before anything moves, with its position."""
    if words is None:
        assert Destination.parse(text).root == "/_kaltura"
        return
    with pytest.raises(DestinationError) as caught:
        Destination.parse(text)
    assert words in str(caught.value)
    assert caught.value.position == position
    # People count from 1.
    assert position is None or str(caught.value).endswith(f"(at position {position + 1})")


def test_unknown_placeholder_lists_those_that_exist():
    """Nobody has to look into the documentation for a name."""
    with pytest.raises(DestinationError) as caught:
        Destination.parse("/lake/{flavour}")
    assert all(f"{{{name}}}" in str(caught.value) for name in PLACEHOLDERS)


@pytest.mark.parametrize(
    ("name", "component"),
    [
        ("../../x", "______x~"),
        ("/etc/passwd", "_etc_passwd~"),
        ("..", "__~"),
        (".", "_~"),
        (".hidden", "_hidden~"),
        ("a\0b", "a_b~"),
        ("a\r\nb", "a__b~"),
        ("a\u202eb", "a_b~"),
        ("trailing. ", "trailing__~"),
        (" leading", "_leading~"),
        ("a\\b", "a_b~"),
        ("C:stream", "C_stream~"),
        ("CON", "_CON~"),
        ("com1.backup", "_com1.backup~"),
        ("nul ", "nul_~"),
        ("nul", "_nul~"),
        ("\ud800", "_~"),
    ],
)
def test_filled_part_is_made_safe_and_marked(name, component):
    """What had to be changed shows that it was, and can't be taken for another name."""
    key = render("/lake/{entryName}.{format}", entryName=name)
    stem, mark, extension = key.rpartition("~")
    assert f"{stem}{mark}" == component
    assert len(extension) == len("0123456789.mp4")


@pytest.mark.parametrize(
    "name", ["Intro", "Führung durch die Bücherei", "محاضرة", "講義 1", "a.b", "x (1) [2] & co.'s", "🎬"]
)
def test_harmless_name_stays_as_it_is(name):
    """Scripts, spaces and most punctuation need no change."""
    assert render("/lake/{entryName}.{format}", entryName=name) == f"{name}.mp4"


def test_name_is_normalised_without_a_mark():
    """The two ways to write an accent are one name to people, so to us."""
    key = render("/lake/{entryName}.mp4", entryName=unicodedata.normalize("NFD", "Bücher"))
    assert key == "Bücher.mp4"


def test_long_arabic_name_fits_and_stays_apart():
    """400 Arabic letters are 800 bytes: cut at a letter, and two of them never share a name."""
    keys = {render("/lake/{entryName}.{format}", entryName="م" * 400 + end) for end in ("", "أ", "ب")}
    assert len(keys) == 3
    for key in keys:
        assert 240 < len(key.encode()) <= 255
        assert key.endswith(".mp4")


def test_cut_does_not_split_an_emoji_from_its_parts():
    """A family of four is kept or left out as one."""
    family = "👨\u200d👩\u200d👧\u200d👦"
    stem = render("/lake/{entryName}.mp4", entryName=family * 20).partition("~")[0]
    assert stem == family * (len(stem) // len(family))


def test_name_that_looks_marked_is_marked_again():
    """Nobody can choose the name that another entry's name was changed into."""
    marked = render("/lake/{entryName}.mp4", entryName="a/b")
    assert render("/lake/{entryName}.mp4", entryName=marked.removesuffix(".mp4")) != marked


def test_entry_called_like_our_folder_stays_out_of_it():
    """State and assets never mix, in whatever case a file system ignores."""
    for name in ("_kaltura", "_KALTURA"):
        assert render("/lake/{entryName}/{flavorId}.mp4", entryName=name).startswith("__")
    assert render("/lake/{partnerId}/{entryName}/{flavorId}", entryName="_kaltura") == "102/_kaltura/0_flavor"


@pytest.mark.parametrize(
    ("text", "changes", "key"),
    [
        ("/lake/{width}x{height}-{flavorId}.{format}", {"width": None, "height": None}, "_x_-0_flavor.mp4"),
        ("/lake/{flavorId}.{format}", {"format": None}, "0_flavor.bin"),
        ("/lake/{referenceId}/{flavorId}", {"referenceId": ""}, "_/0_flavor"),
        ("/lake/{entryName} {flavorId}", {"entryName": None}, "_ 0_flavor"),
        ("/lake/{createdAt:%Y/%m}/{flavorId}", {"createdAt": None}, "_/_/0_flavor"),
        ("/lake/{entryName}-{height}.{format}", {"height": None}, "Intro-_.mp4"),
        ("/lake/{flavorId}-{flavorParamsId}", {"flavorParamsId": 0}, "0_flavor-0"),
    ],
)
def test_missing_value_becomes_a_placeholder_of_its_own(text, changes, key):
    """A library of 200,000 entries does not fail for one without a reference id."""
    assert render(text, **changes) == key


@pytest.mark.parametrize(
    ("text", "changes", "words"),
    [
        ("/lake/{referenceId}.{format}", {"referenceId": None}, "{referenceId}: 0_entry has none"),
        ("/lake/{entryName}.{format}", {"entryName": ""}, "{entryName}: 0_entry has none"),
        ("/lake/{entryId}.{format}", {"entryId": ""}, "{entryId}: the asset has none"),
        ("/lake/{entryName}/{flavorId}", {"flavorId": None}, "{flavorId}: 0_entry has none"),
    ],
)
def test_missing_value_that_keeps_files_apart_is_an_error(text, changes, words):
    """Without it all such entries would overwrite each other."""
    with pytest.raises(DestinationError) as caught:
        render(text, **changes)
    assert words in str(caught.value)


def test_unfinished_dimensions_count_as_missing():
    """Kaltura's 0 is no width."""
    audio = FlavorAsset(id="0_f", entry_id="0_entry", partner_id=102, status=2, file_ext="mp3")
    assert Destination.parse("/l/{width}-{flavorId}.{format}").render(ENTRY, audio) == "_-0_f.mp3"


def test_time_without_zone_is_refused():
    """A naive time would mean another day on another worker."""
    with pytest.raises(DestinationError):
        render("/lake/{createdAt}/{flavorId}", createdAt=datetime(2026, 1, 1))  # noqa: DTZ001 - the point of the test


TEXTS = st.text(alphabet=st.characters(codec=None), max_size=300)
NASTY = st.lists(
    st.sampled_from(
        ["..", "/", "\\", ".", " ", "\0", "\n", "a", "م", "🎬", "CON", "_kaltura", "~0123456789", "e\u0301"]
    ),
    max_size=40,
).map("".join)
NAMES = st.one_of(TEXTS, NASTY)
TEMPLATES = st.lists(
    st.one_of(
        st.sampled_from([f"{{{name}}}" for name in PLACEHOLDERS]),
        st.sampled_from(["/", ".", "..", "x", "/a", "{createdAt:%Y/%m}", "{updatedAt:.%d.}"]),
    ),
    min_size=1,
    max_size=8,
).map(lambda pieces: "/lake/{entryId}/" + "".join(pieces))


def fill(template, name, reference):
    """Render a template of any shape, or None when it is refused."""
    try:
        destination = Destination.parse(template)
        return destination.render_values(
            {**destination_values(ENTRY, ASSET), "entryName": name, "referenceId": reference, "format": reference}
        )
    except DestinationError:
        return None


@given(template=TEMPLATES, name=NAMES, reference=NAMES)
def test_key_stays_below_the_root_whatever_is_filled_in(template, name, reference):
    """Every level is a safe name of at most 255 bytes, as many as the template has, the same each time."""
    key = fill(template, name, reference)
    assume(key is not None)
    levels = key.split("/")
    assert levels[0] == "0_entry"
    assert len(levels) == len(fill(template, "x", "x").split("/"))
    for level in levels:
        assert level not in {"", ".", ".."}
        assert len(level.encode()) <= 255
        assert not any(unicodedata.category(character) in {"Cc", "Cs"} for character in level)
    assert fill(template, name, reference) == key


@given(first=NAMES.filter(bool), second=NAMES.filter(bool))
def test_different_names_give_different_keys(first, second):
    """Names share a file only when they differ by nothing but their Unicode normal form."""
    assume(unicodedata.normalize("NFC", first) != unicodedata.normalize("NFC", second))
    assert render("/l/{entryName}.mp4", entryName=first) != render("/l/{entryName}.mp4", entryName=second)


def parse(text):
    """Parse a text, or give the position of what is wrong with it."""
    try:
        return Destination.parse(text)
    except DestinationError as error:
        return error.position or 0


@given(text=st.text(alphabet="/{}entryIdcrA:%Y. \0s3@", max_size=40))
def test_any_text_is_parsed_or_refused_with_a_place_inside_it(text):
    """No text makes the parser fail in any other way."""
    found = parse(text)
    if isinstance(found, int):
        assert 0 <= found <= len(text)
    else:
        assert found.path(found.render(ENTRY, ASSET)).startswith(found.root)


@pytest.mark.parametrize(
    ("text", "state_root"),
    [
        ("s3://lake@archive/kaltura/{entryId}.mp4?X-Amz-Signature=hidden0", None),
        ("s3://lake@archive/kaltura/{entryId}.{format}?sv=1&sig=hidden0", None),
        ("https://host/lake/{entryId}/ks;ks=hidden0/a.mp4", None),
        ("s3://lake@archive/kaltura/{entryId}.mp4?x-ms-token=hidden0{nothing}", None),
        ("s3://lake@archive/kaltura/{entryId}.mp4", "s3://lake@archive/kaltura?sig=hidden0"),
        ("s3://lake@archive/kaltura/{entryId}.mp4", "s3://AKIA:hidden0@archive/kaltura"),
    ],
)
def test_what_may_be_a_secret_is_refused_and_not_shown(text, state_root):
    """Below the root, too, where every file's name would hold it; and whatever else is wrong."""
    with pytest.raises(DestinationError) as caught:
        Destination.parse(text, state_root=state_root)
    assert "hidden0" not in str(caught.value)


@pytest.mark.parametrize("text", ["/lake/{entryId}?a=b/c.mp4", "/lake/sig=1/{entryId}.mp4", "/lake/a&b/{entryId}.mp4"])
def test_signs_of_other_kinds_are_taken(text):
    """A folder may be called ``sig=1``, as partitions are."""
    assert Destination.parse(text).text == text

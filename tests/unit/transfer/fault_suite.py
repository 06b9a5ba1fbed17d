"""The faults of acceptance line 8, one run of each, and the table of what became of them."""

from __future__ import annotations

import random
import re
import traceback
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from airflow_provider_kaltura.transfer.copy import copy
from airflow_provider_kaltura.transfer.errors import TransferError
from airflow_provider_kaltura.transfer.http_pool import HttpOptions, HttpPool
from airflow_provider_kaltura.transfer.http_source import FixedUrl, HttpSource
from airflow_provider_kaltura.transfer.local_sink import LocalSink
from tests.media_server import Fault, MediaServer, SeededContent
from tests.unit.transfer.reading import SECRET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from tests.media_server import Request

SIZE = 100_003
PART = 16_384
KEY = "lake/object.mp4"
ALWAYS = 1_000


@dataclass(frozen=True, slots=True)
class Case:
    """One fault: what the server does, and what must come of it ("bytes", or names of errors)."""

    kind: str
    script: tuple[Fault | None, ...] | Callable[[Request], Fault | None]
    expected: tuple[str, ...] = ("bytes",)
    version: str = ""
    paths: tuple[str, ...] = ("/object",)


@dataclass(slots=True)
class Paths:
    """A resolver that gives the next path of the server each time it is asked."""

    base_url: str
    paths: tuple[str, ...]
    query: str = ""
    asked: int = 0

    def __call__(self, *, stale: str | None = None) -> FixedUrl:
        """Give the next one; the last for ever."""
        path = self.paths[min(self.asked, len(self.paths) - 1)]
        self.asked += 1
        return FixedUrl(f"{self.base_url}{path}{self.query}", needs_session=True)


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one case."""

    kind: str
    outcome: str
    is_wrong: bool
    is_expected: bool
    requests: int
    sent_bytes: int
    left_over: int
    shown: str = field(repr=False)


def version_of(url: str) -> str | None:
    """Read the version out of a path."""
    found = re.search(r"/v/(\d+)/", url)
    return found.group(1) if found else None


def cut_offsets(size: int, part: int, seed: int) -> list[int]:
    """0, 1, size-1, every part boundary and 100 random offsets."""
    rng = random.Random(seed)
    fixed = {0, 1, size - 1, *range(part, size, part)}
    return sorted(fixed) + [rng.randrange(size) for _ in range(100)]


def cut_cases(seed: int) -> Iterator[Case]:
    """Cut every connection at the wanted offset, once, and three times, with each framing."""
    rng = random.Random(seed + 1)
    for offset in cut_offsets(SIZE, PART, seed):
        first = Fault(cut_at=offset, with_reset=rng.random() < 0.5)
        # Three times: where it was cut, then with nothing new, then somewhere in the rest.
        thrice = (first, Fault(cut_after=0), Fault(cut_at=rng.randint(offset, SIZE - 1)))
        for framing in ("length", "close", "chunked"):
            # Without any length what came first can't be kept: it is asked for again, by range, which proves it.
            yield Case(f"cut once, {framing}", (replace(first, framing=framing),))
            yield Case(f"cut three times, {framing}", tuple(replace(each, framing=framing) for each in thrice))


def lying_cases(seed: int) -> Iterator[Case]:
    """Wrong lengths, empty answers, pages, ignored ranges, changes between two ranges."""
    cut = Fault(cut_at=40_000)
    other = SeededContent(seed + 1, SIZE + 1)
    same_size = SeededContent(seed + 1, SIZE)
    html = (("Content-Type", "text/html; charset=utf-8"),)
    refusal = (("X-Kaltura", "error-6"),)
    unlabelled = Fault(body=b"overloaded, sorry", framing="close", ignore_range=True)
    once_or_always = {
        "empty 200": (Fault(body=b""), ("SourceExpiredError",)),
        "empty 200 without a length": (Fault(body=b"", framing="close"), ("SourceExpiredError",)),
        "empty 200 with a refusal": (Fault(body=b"", headers=refusal), ("SourceExpiredError",)),
        "page instead of media": (Fault(body=b"<html>sorry</html>", headers=html), ("SourceAnswerError",)),
        "page of the right length": (Fault(body=b"x" * SIZE, headers=html), ("SourceAnswerError",)),
        "length too short": (Fault(declared=SIZE - 10), ("SourceLengthError",)),
        "length too long": (Fault(declared=SIZE + 10), ("SourceLengthError",)),
        "body and length too short": (Fault(body_delta=-10), ("SourceLengthError",)),
        "body and length too long": (Fault(body_delta=10), ("SourceLengthError",)),
        "body shorter than its length": (Fault(body_delta=-10, declared=SIZE), ("SourceAnswerError",)),
        "body too long, no length": (Fault(body_delta=10, framing="close"), ("SourceLengthError",)),
        "body too long, chunked": (Fault(body_delta=10, framing="chunked"), ("SourceLengthError",)),
        "unlabelled error text": (unlabelled, ("SourceLengthError",)),
        "unlabelled error text, chunked": (replace(unlabelled, framing="chunked"), ("SourceLengthError",)),
        "encoded body": (Fault(headers=(("Content-Encoding", "gzip"),)), ("SourceAnswerError",)),
        "server error": (Fault(status=503, body=b"busy"), ("SourceUnavailableError",)),
        "not found": (Fault(status=404, body=b"gone"), ("SourceExpiredError",)),
        "no answer": (Fault(drop_connection=True), ("SourceUnavailableError",)),
        "status 204": (Fault(status=204, body=b""), ("SourceAnswerError",)),
        "206 to a request for everything": (Fault(status=206), ("SourceAnswerError",)),
    }
    for kind, (fault, errors) in once_or_always.items():
        yield Case(f"{kind}, once", (fault,))
        yield Case(f"{kind}, always", (fault,) * ALWAYS, errors)
    after_a_cut = {
        "200 to a range, once": ((cut, Fault(ignore_range=True)), ("bytes",)),
        "200 to a range, always": ((cut,) + (Fault(ignore_range=True),) * ALWAYS, ("bytes",)),
        "200 to a range, cut each time": (_ignores_ranges_and_cuts, ("SourceCutError", "RangeIgnoredError")),
        "size changed between ranges": ((cut,) + (Fault(content=other),) * ALWAYS, ("SourceChangedError",)),
        "size changed for one range": ((cut, Fault(content=other)), ("SourceChangedError",)),
        "entity tag changed between ranges": (_changes_entity_tag(same_size), ("SourceChangedError",)),
        "wrong Content-Range": (
            (cut,) + (Fault(content_range=f"bytes 0-{SIZE - 1}/{SIZE}"),) * ALWAYS,
            ("SourceAnswerError",),
        ),
        "wrong Content-Range, once": ((cut, Fault(content_range=f"bytes 0-{SIZE - 1}/{SIZE}")), ("bytes",)),
        "range shorter than its length": ((cut, Fault(body_delta=-7, declared=SIZE - 40_000)), ("bytes",)),
        "range with a wrong length": ((cut, Fault(declared=17)), ("bytes",)),
        "range without a length, cut": ((cut, Fault(framing="close", cut_at=70_000)), ("bytes",)),
        "range too long, no length, once": ((cut, Fault(framing="close", body_delta=5)), ("bytes",)),
    }
    for kind, (script, expected) in after_a_cut.items():
        yield Case(kind, script, expected)
    for framing in ("length", "close", "chunked"):
        short = Fault(cut_after=10_000, with_reset=True, framing=framing)
        yield Case(f"reset after each 10,000 bytes, {framing}", (short,) * ALWAYS)
    refused = Fault(status=403, body=b"expired")
    renewed = (cut, refused, None)
    changed = (cut, refused) + (Fault(content=same_size),) * ALWAYS
    yield Case("URL expired between ranges", renewed, version="1", paths=("/v/1/a", "/v/1/b"))
    yield Case("version changed between ranges", changed, ("SourceChangedError",), "1", ("/v/1/a", "/v/2/a"))


def run_case(
    case: Case, content: SeededContent, server: MediaServer, root: Path, *, connections: int = 1, puts: int = 0
) -> Row:
    """Copy the object through one fault and look at what stands then."""
    server.again(case.script)
    sink = LocalSink(root, durability="batch")
    pool = HttpPool(HttpOptions(connect_timeout_seconds=5, read_timeout_seconds=5, proxies={}))
    source = HttpSource(
        Paths(server.base_url, case.paths, f"?ks={SECRET}"),
        size_bytes=content.size_bytes,
        version=case.version,
        version_of=version_of,
        pool=pool,
    )
    upload = sink.begin(KEY, size_bytes=content.size_bytes, part_bytes=PART)
    outcome, shown = "bytes", repr(source)
    try:
        result = copy(
            source,
            upload,
            size_bytes=content.size_bytes,
            part_bytes=PART,
            sleep=lambda _: None,
            capabilities=replace(sink.capabilities, parallel_puts=puts),
            max_connections=connections,
        )
        upload.commit(checksum=result.checksum)
    except TransferError as error:
        outcome = type(error).__name__
        shown += "".join(traceback.format_exception(error)) + repr(vars(error))
    finally:
        upload.discard()
        pool.close()
    target = root / KEY
    found = target.read_bytes() if target.exists() else None
    target.unlink(missing_ok=True)
    is_wrong = found is not None and found != content.all()
    return Row(
        kind=case.kind,
        outcome="WRONG FILE" if is_wrong else outcome,
        is_wrong=is_wrong,
        is_expected=outcome in case.expected and (found is not None) == (outcome == "bytes") and not is_wrong,
        requests=len(server.requests),
        sent_bytes=server.sent_bytes,
        left_over=sum(1 for path in root.rglob("*") if path.is_file()),
        shown=shown,
    )


def run_cases(cases: Iterable[Case], seed: int, root: Path, *, connections: int = 1, puts: int = 0) -> list[Row]:
    """Run every case against one server."""
    content = SeededContent(seed, SIZE)
    with MediaServer(content) as server:
        return [run_case(case, content, server, root, connections=connections, puts=puts) for case in cases]


def table(rows: list[Row], seed: int) -> str:
    """Write what became of them: one line per kind and outcome."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.kind, row.outcome), []).append(row)
    lines = [
        f"Object of {SIZE} bytes in parts of {PART}; seed {seed}; {len(rows)} runs.",
        "",
        "| kind | outcome | runs | requests (most) | bytes fetched, as the server sent them (most) | as expected |",
        "|---|---|---|---|---|---|",
    ]
    for (kind, outcome), group in groups.items():
        requests, sent = max(row.requests for row in group), max(row.sent_bytes for row in group)
        good = sum(row.is_expected for row in group)
        lines.append(f"| {kind} | {outcome} | {len(group)} | {requests} | {sent} | {good} of {len(group)} |")
    return "\n".join(lines) + "\n"


def _ignores_ranges_and_cuts(_request: Request) -> Fault:
    return Fault(ignore_range=True, cut_after=40_000)


def _changes_entity_tag(other: SeededContent) -> Callable[[Request], Fault]:
    def script(request: Request) -> Fault:
        # By range, not by number: of several connections at once any may be the first that is answered.
        if (request.start or 0) < 40_000:
            return Fault(cut_at=40_000, headers=(("ETag", '"one"'),))
        return Fault(content=other, headers=(("ETag", '"two"'),))

    return script

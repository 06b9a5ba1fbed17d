"""
The URLs of many assets in few requests, with what :func:`~airflow_provider_kaltura.api.urls.media_url` promises.

A hundred URLs come in one multirequest, several of which are under way at once. What access control profiles restrict
is asked once for all of them. Only URLs of entries whose profile has rules, or hides them from this session, are tried
with a ranged GET; where that fails, ``getDownloadUrl`` is asked, again a hundred at a time. A refusal that empties a
whole answer is isolated (see :mod:`~airflow_provider_kaltura.api.isolation`).
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from airflow_provider_kaltura.api import codes
from airflow_provider_kaltura.api.errors import (
    AccessRefusedError,
    AuthError,
    KalturaError,
    KalturaTransportError,
    NotFoundError,
    NotReadyError,
    ThrottledError,
    UnverifiedUrlError,
)
from airflow_provider_kaltura.api.ids import check_id
from airflow_provider_kaltura.api.isolation import isolate
from airflow_provider_kaltura.api.models import FlavorStatus, MediaUrl
from airflow_provider_kaltura.api.urls import RULES_SECONDS, allowed, announced, has_rules, probe, useless

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from airflow_provider_kaltura.api.models import Entry, FlavorAsset
    from airflow_provider_kaltura.api.runtime import Runtime

Found: TypeAlias = "MediaUrl | KalturaError"
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

#: Actions of one multirequest.
MULTIREQUEST: Final = 100
# So many calls may crash the server, or find no media host, before the server itself is to blame.
_MAX_CRASHES: Final = 3
# Errors that are about the session or the account, whichever asset was asked for.
_EVERYBODYS: Final = (AuthError, ThrottledError)
_NOT_SERVED: Final = (UnverifiedUrlError, AccessRefusedError, NotFoundError, NotReadyError)
_CRASHES: Final = frozenset({"EMPTY_ANSWER", "HTTP_500"})


def media_urls(
    runtime: Runtime, wanted: Iterable[tuple[Entry, FlavorAsset]], *, allow_session: bool = False
) -> dict[str, Found]:
    """
    Find the URLs of many assets' bytes.

    :param runtime: The connection.
    :param wanted: Ready assets with their entries.
    :param allow_session: Whether a URL with a KS in it may be returned; if not, and only such a one works, the result's
        ``url`` is empty and its ``needs_session`` True.
    :returns: By asset id, in the order asked for: the URL, or why there is none, so that one bad asset spoils no other.
    :raises KalturaError: Kaltura could not be asked, or refuses this session altogether.
    """
    pairs = {check_id(asset.id, "flavor asset id"): (entry, asset) for entry, asset in wanted}
    if not pairs:
        return {}
    workers = min(runtime.config.max_concurrent_requests, len(pairs))
    with ThreadPoolExecutor(workers, thread_name_prefix="kaltura-urls") as pool:
        try:
            found = _Batch(runtime, pool, allow_session=allow_session).find(pairs)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return {asset_id: found[asset_id] for asset_id in pairs}


@dataclass(slots=True)
class _Batch:
    runtime: Runtime
    pool: ThreadPoolExecutor
    allow_session: bool = field(kw_only=True)
    crashes: int = 0
    blamed: KalturaError | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def find(self, pairs: dict[str, tuple[Entry, FlavorAsset]]) -> dict[str, Found]:
        found: dict[str, Found] = {}
        rules = self._rules({entry.access_control_id for entry, _ in pairs.values()})
        assets = [asset for _, asset in pairs.values()]
        doubtful: list[tuple[FlavorAsset, str]] = []
        refusals: dict[str, KalturaError | None] = {}
        for asset, answer in self._ask("getUrl", assets):
            if isinstance(answer, KalturaError):
                if _is_without_reason(answer):
                    refusals[asset.id] = answer
                else:
                    found[asset.id] = answer
            elif not answer:
                refusals[asset.id] = None
            elif rules.get(pairs[asset.id][0].access_control_id) is False:
                found[asset.id] = allowed(answer, allow_session=self.allow_session)
            else:
                doubtful.append((asset, answer))
        for (asset, url), failure in self._probe(doubtful):
            if failure is None:
                found[asset.id] = allowed(url, allow_session=self.allow_session)
            elif isinstance(failure, _NOT_SERVED):
                refusals[asset.id] = failure
            else:
                found[asset.id] = failure
        found.update(self._alternatives([asset for asset in assets if asset.id in refusals], refusals))
        return found

    def _alternatives(
        self, assets: list[FlavorAsset], refusals: dict[str, KalturaError | None]
    ) -> Iterator[tuple[str, Found]]:
        """Ask for download URLs where getUrl's don't serve."""
        why = {asset_id: refusal or "getUrl gave no URL" for asset_id, refusal in refusals.items()}
        # getDownloadUrl takes READY exactly (recorded case flavors.getDownloadUrl_exporting).
        for asset in assets:
            if asset.status != FlavorStatus.READY:
                yield asset.id, useless(asset, f"{why[asset.id]}; getDownloadUrl needs the status READY")
        given: list[tuple[FlavorAsset, str]] = []
        for asset, answer in self._ask("getDownloadUrl", [one for one in assets if one.status == FlavorStatus.READY]):
            if isinstance(answer, KalturaError):
                yield asset.id, answer
            elif answer:
                given.append((asset, answer))
            else:
                yield asset.id, useless(asset, f"{why[asset.id]}; getDownloadUrl gave no URL")
        for (asset, url), failure in self._probe(given):
            if failure is None:
                yield asset.id, allowed(url, allow_session=self.allow_session)
            elif isinstance(failure, _NOT_SERVED):
                yield asset.id, useless(asset, f"{why[asset.id]}; getDownloadUrl: {failure}")
            else:
                yield asset.id, failure

    # ------------------------------------------------------------------ Kaltura
    def _rules(self, profiles: set[int | None]) -> dict[int | None, bool | None]:
        """Tell which profiles restrict anything; None where this session can't know."""
        runtime, now = self.runtime, self.runtime.now()
        rules: dict[int | None, bool | None] = {None: False}
        unknown = []
        for profile in sorted(one for one in profiles if one is not None):
            known = runtime.access_rules.get(profile)
            if known is not None and now < known[0]:
                rules[profile] = known[1]
            else:
                unknown.append(profile)
        chunks = list(_chunks(unknown, MULTIREQUEST))
        for chunk, answers in zip(chunks, self._each(self._ask_profiles, chunks), strict=True):
            for profile, answer in zip(chunk, answers, strict=True):
                if isinstance(answer, _EVERYBODYS):
                    raise answer
                rules[profile] = has_rules(answer)
                runtime.access_rules[profile] = (now + RULES_SECONDS, rules[profile])
        return rules

    def _ask_profiles(self, profiles: Sequence[int]) -> list[Any]:
        client = self.runtime.shared_client()
        client.startMultiRequest()
        for profile in profiles:
            client.accessControlProfile.get(profile)
        answers: list[Any] = client.doMultiRequest()
        return answers

    def _ask(self, action: str, assets: Sequence[FlavorAsset]) -> Iterator[tuple[FlavorAsset, str | KalturaError]]:
        chunks = list(_chunks(assets, MULTIREQUEST))

        def ask_chunk(chunk: Sequence[FlavorAsset]) -> dict[str, str | KalturaError]:
            return isolate([asset.id for asset in chunk], lambda ids: self._ask_once(action, ids))

        for chunk, answers in zip(chunks, self._each(ask_chunk, chunks), strict=True):
            for asset in chunk:
                yield asset, _named(answers[asset.id], action, asset.id)

    def _ask_once(self, action: str, asset_ids: Sequence[str]) -> list[str | KalturaError] | KalturaError:
        client = self.runtime.shared_client()
        client.startMultiRequest()
        for asset_id in asset_ids:
            getattr(client.flavorAsset, action)(asset_id)
        try:
            answers = client.doMultiRequest()
        except AccessRefusedError as error:
            return error
        except KalturaTransportError as error:
            if error.code not in _CRASHES:
                raise
            if len(asset_ids) == 1:
                self._count_crash(error)
            return error
        return [_url_or_error(answer) for answer in answers]

    # ------------------------------------------------------------------ media
    def _probe(
        self, given: list[tuple[FlavorAsset, str]]
    ) -> Iterator[tuple[tuple[FlavorAsset, str], KalturaError | None]]:
        return zip(given, self._each(self._probe_one, given), strict=True)

    def _probe_one(self, one: tuple[FlavorAsset, str]) -> KalturaError | None:
        asset, url = one
        if self.blamed is not None:
            raise self.blamed
        try:
            probe(self.runtime, url, asset.size_bytes)
        except _NOT_SERVED as error:
            return error
        except KalturaTransportError as error:
            self._count_crash(error)
            return error
        return None

    # ------------------------------------------------------------------ both
    def _each(self, work: Callable[[_Item], _Result], items: Sequence[_Item]) -> Iterator[_Result]:
        return self.pool.map(work, items)

    def _count_crash(self, error: KalturaError) -> None:
        with self.lock:
            self.crashes += 1
            if self.crashes > _MAX_CRASHES:
                self.blamed = error
                raise error


def _url_or_error(answer: Any) -> str | KalturaError:
    if isinstance(answer, _EVERYBODYS):
        raise answer
    return answer if isinstance(answer, KalturaError) else announced(answer)


def _is_without_reason(error: KalturaError) -> bool:
    return isinstance(error, KalturaTransportError) and error.code == "EMPTY_ANSWER"


def _named(answer: str | KalturaError, action: str, asset_id: str) -> str | KalturaError:
    """Let the error of a whole multirequest name the asset that it is about."""
    if not isinstance(answer, KalturaError) or answer.object_id == asset_id:
        return answer
    if answer.x_kaltura_code is not None:
        return codes.from_x_kaltura(f"error-{answer.x_kaltura_code}", "flavorAsset", action, asset_id)
    if isinstance(answer, KalturaTransportError):
        text = f"flavorAsset.{action} of {asset_id}: {answer}"
        return KalturaTransportError(text, answer.code, "flavorAsset", action, asset_id)
    return answer


def _chunks(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]

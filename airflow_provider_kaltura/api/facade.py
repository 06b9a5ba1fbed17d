"""The few things that ingestion asks Kaltura for, typed and checked. Cheap to make, safe across threads."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_kaltura.api import flavor_changes
from airflow_provider_kaltura.api.config import check_privileges
from airflow_provider_kaltura.api.errors import (
    AuthError,
    ConfigurationError,
    KalturaError,
    KalturaTransportError,
    NotFoundError,
    NotReadyError,
    ThrottledError,
)
from airflow_provider_kaltura.api.flavor_pages import FlavorPage, keep_page, listed, queue_page, raised
from airflow_provider_kaltura.api.ids import check_id
from airflow_provider_kaltura.api.models import CheckResult, Entry, EntrySnapshot, FlavorAsset, MediaUrl
from airflow_provider_kaltura.api.runtime import runtime_of
from airflow_provider_kaltura.api.session import default_scope

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from airflow_provider_kaltura.api.config import ClientConfig
    from airflow_provider_kaltura.api.queries import EntryQuery
    from airflow_provider_kaltura.api.runtime import Runtime

# In-lists are cut silently after 500 values (recorded case lists.idIn_501).
_CHUNK = 500
_MULTIREQUEST = 100
# So many entries may crash the server one after another before the server itself is to blame.
_MAX_CRASHES = 3
# Errors that are about the session or the account, whichever entry was asked for.
_EVERYBODYS = (AuthError, ThrottledError)


class KalturaApi:
    """
    Kaltura as ingestion needs it.

    Instances of equal settings share connections, limits and sessions within a process. Nothing heavy is imported and
    nothing is sent before the first call.

    :param config: The connection.
    :param runtime: Something else than this process's shared runtime, for tests.
    """

    def __init__(self, config: ClientConfig, *, runtime: Runtime | None = None) -> None:
        self.config = config
        self._own_runtime = runtime

    def __repr__(self) -> str:
        return f"KalturaApi({self.config.connection_id!r}, partner {self.config.partner_id})"

    @property
    def runtime(self) -> Runtime:
        """What is shared with other instances for this connection; asked each time, since a fork makes a new one."""
        return self._own_runtime or runtime_of(self.config)

    def get_entry(self, entry_id: str) -> Entry:
        """
        Read one entry, of any type.

        :param entry_id: Its id.
        :returns: The entry.
        :raises NotFoundError: Deleted, of another account, or unknown: Kaltura does not tell these apart.
        :raises InvalidRequestError: The id can't be one.
        """
        from airflow_provider_kaltura.api.convert import entry_of  # noqa: PLC0415 - with the client

        check_id(entry_id)
        entry = entry_of(_present(self.runtime.shared_client().baseEntry.get(entry_id), "baseEntry.get", entry_id))
        _same(entry.id, entry_id, "baseEntry.get")
        return entry

    def get_entries(self, entry_ids: Iterable[str]) -> dict[str, Entry]:
        """
        Read several entries.

        :param entry_ids: Their ids.
        :returns: By id, in the order asked for; what is deleted or unknown is left out.
        """
        wanted = _unique(entry_ids)
        found: dict[str, Entry] = {}
        for chunk in _chunks(wanted, _CHUNK):
            _keep_entries(self.runtime.shared_client().baseEntry.getByIds(",".join(chunk)), found)
        return {entry_id: found[entry_id] for entry_id in wanted if entry_id in found}

    def list_entries(self, query: EntryQuery) -> Iterator[Entry]:
        """
        List entries past Kaltura's window of 10,000; see :func:`~airflow_provider_kaltura.api.entries.list_entries`.

        :param query: Which entries.
        :returns: Each once, in order of the query's time, in constant memory.
        :raises InvalidRequestError: The query has a field or value that can't be; nothing was sent.
        """
        from airflow_provider_kaltura.api.entries import list_entries  # noqa: PLC0415 - with the client

        return list_entries(self.runtime, query)

    def list_snapshots(
        self, query: EntryQuery, wanted: Callable[[Entry], bool] = lambda _: True
    ) -> Iterator[list[EntrySnapshot]]:
        """See :func:`~airflow_provider_kaltura.api.listed_snapshots.list_snapshots`."""
        from airflow_provider_kaltura.api.listed_snapshots import list_snapshots  # noqa: PLC0415 - with the client

        return list_snapshots(self.runtime, query, wanted)

    def list_flavor_assets(self, entry_ids: Iterable[str]) -> dict[str, list[FlavorAsset]]:
        """
        List the flavor assets of entries, whatever their status.

        :param entry_ids: Any number of entries.
        :returns: By entry, in the order asked for, each by id; an empty list for an entry without any, and for one that
            is unknown: Kaltura does not tell these apart here.
        """
        wanted = _unique(entry_ids)
        found: dict[str, dict[str, FlavorAsset]] = {entry_id: {} for entry_id in wanted}
        self._collect(list(_chunks(wanted, _CHUNK)), found, None)
        return {entry_id: _by_id(assets) for entry_id, assets in found.items()}

    def changed_entry_ids(self, entry_ids: Iterable[str], since: int) -> Iterator[str]:
        """See :func:`~airflow_provider_kaltura.api.flavor_changes.changed_entry_ids`."""
        return flavor_changes.changed_entry_ids(self.runtime, entry_ids, since)

    def gone_flavor_ids(self, flavor_ids: Iterable[str]) -> frozenset[str]:
        """See :func:`~airflow_provider_kaltura.api.flavor_changes.gone_flavor_ids`."""
        return flavor_changes.gone_flavor_ids(self.runtime, flavor_ids)

    def get_flavor_asset(self, flavor_id: str) -> FlavorAsset:
        """
        Read one flavor asset.

        :param flavor_id: Its id.
        :returns: The flavor asset.
        :raises NotFoundError: Deleted, of another account, or unknown.
        :raises InvalidRequestError: The id can't be one.
        """
        from airflow_provider_kaltura.api.convert import flavor_of  # noqa: PLC0415 - with the client

        check_id(flavor_id, "flavor asset id")
        asset = flavor_of(
            _present(self.runtime.shared_client().flavorAsset.get(flavor_id), "flavorAsset.get", flavor_id)
        )
        _same(asset.id, flavor_id, "flavorAsset.get")
        return asset

    def web_playable_ids(self, entry_id: str) -> frozenset[str]:
        """
        Ask which flavor assets are web-playable now.

        :param entry_id: The entry.
        :returns: Their ids, none when Kaltura says NO_FLAVORS_FOUND.
        :raises NotFoundError: No such entry.
        """
        check_id(entry_id)
        try:
            return _ids(self.runtime.shared_client().flavorAsset.getWebPlayableByEntryId(entry_id))
        except NotReadyError:
            return frozenset()

    def media_url(
        self, asset: FlavorAsset, entry: Entry, *, allow_session: bool = False, stale: str | None = None
    ) -> MediaUrl:
        """
        Find the URL that serves an asset's bytes; see :func:`~airflow_provider_kaltura.api.urls.media_url`.

        :param asset: A ready asset.
        :param entry: Its entry.
        :param allow_session: Whether a URL with a KS in it may be returned; if not, and only such a one works, the
            result's ``url`` is empty and its ``needs_session`` True.
        :param stale: A URL that stopped working.
        :returns: The URL.
        :raises UnverifiedUrlError: No URL serves the bytes.
        """
        from airflow_provider_kaltura.api.urls import media_url  # noqa: PLC0415 - not needed by most processes

        check_id(asset.id, "flavor asset id")
        return media_url(self.runtime, asset, entry, allow_session=allow_session, stale=stale)

    def snapshot(
        self, entry_ids: Iterable[str], *, web_playable_for: Collection[str] = ()
    ) -> dict[str, EntrySnapshot | KalturaError]:
        """
        Read entries with their flavor assets in few requests: one for up to 500 entries with up to 500 assets.

        :param entry_ids: The entries.
        :param web_playable_for: Those of them whose web-playable set is wanted too; one action more for each.
        :returns: By id, in the order asked for; an error as value for what does not exist and for an entry whose
            web-playable set can't be had, so that one bad entry spoils no other.
        """
        wanted = _unique(entry_ids)
        assets: dict[str, dict[str, FlavorAsset]] = {entry_id: {} for entry_id in wanted}
        entries: dict[str, Entry] = {}
        self._collect(list(_chunks(wanted, _CHUNK)), assets, entries)
        web = self._web_playable([entry_id for entry_id in wanted if entry_id in set(web_playable_for)])
        return {
            entry_id: _snapshot_of(entry_id, entries.get(entry_id), _by_id(assets[entry_id]), web.get(entry_id))
            for entry_id in wanted
        }

    def check(self) -> CheckResult:
        """
        Tell in one sentence whether the connection works, and if not, why.

        :returns: The result; it never holds a secret.
        """
        from airflow_provider_kaltura.api.check import check  # noqa: PLC0415 - not needed by most processes

        return check(self.config)

    def client(self, privileges: Sequence[str] | None = None) -> Any:
        """
        Make an authenticated official client, for everything that this class has not.

        :param privileges: Instead of the connection's own privileges.
        :returns: A ``KalturaClient``; safe across threads; it renews its session by itself. Its errors are typed ones
            that are ``KalturaException`` or ``KalturaClientException`` too.
        :raises ConfigurationError: *privileges* for a ready KS, which has its own, or such as would allow everything.
        :raises AuthError: The credentials were refused.
        """
        scope = default_scope(self.config)
        if privileges is not None:
            if self.config.auth.method == "ks":
                raise ConfigurationError("A ready KS has the privileges that it was made with; it can't get others.")
            check_privileges(privileges)
            scope = replace(scope, privileges=tuple(privileges))
        return self.runtime.client(scope)

    def close(self) -> None:
        """Close idle connections; the next call opens new ones."""
        self.runtime.transport.close()

    def _collect(
        self, chunks: list[list[str]], assets: dict[str, dict[str, FlavorAsset]], entries: dict[str, Entry] | None
    ) -> None:
        """Fetch the flavor assets of these entries and, unless *entries* is None, the entries beside the first page."""
        if not chunks:
            return
        client = self.runtime.shared_client()
        pages = [FlavorPage(chunk, 1, newest=True) for chunk in chunks]
        while pages:
            batch, pages = pages[: _MULTIREQUEST // 2], pages[_MULTIREQUEST // 2 :]
            client.startMultiRequest()
            for page in batch:
                if entries is not None and page.number == 1:
                    client.baseEntry.getByIds(",".join(page.entry_ids))
                queue_page(client, page)
            answers = iter([raised(item) for item in client.doMultiRequest()])
            for page in batch:
                if entries is not None and page.number == 1:
                    _keep_entries(next(answers), entries)
                pages.extend(keep_page(next(answers), page, assets))

    def _web_playable(self, entry_ids: list[str]) -> dict[str, frozenset[str] | KalturaError]:
        found: dict[str, frozenset[str] | KalturaError] = {}
        for chunk in _chunks(entry_ids, _MULTIREQUEST):
            client = self.runtime.shared_client()
            client.startMultiRequest()
            for entry_id in chunk:
                client.flavorAsset.getWebPlayableByEntryId(entry_id)
            try:
                answers = client.doMultiRequest()
            except KalturaError as error:
                if not _may_be_one_calls_fault(error):
                    raise
                answers = self._web_playable_one_by_one(chunk)
            found.update({entry_id: _web_answer(item) for entry_id, item in zip(chunk, answers, strict=True)})
        return found

    def _web_playable_one_by_one(self, entry_ids: list[str]) -> list[Any]:
        """Ask singly, since one call that dies or crashes empties the whole multirequest's answer."""
        answers: list[Any] = []
        crashes = 0
        for entry_id in entry_ids:
            try:
                answers.append(self.runtime.shared_client().flavorAsset.getWebPlayableByEntryId(entry_id))
            except KalturaError as error:
                crashes += isinstance(error, KalturaTransportError)
                if crashes > _MAX_CRASHES or isinstance(error, _EVERYBODYS):
                    raise
                answers.append(error)
        return answers


def _keep_entries(answer: Any, entries: dict[str, Entry]) -> None:
    from airflow_provider_kaltura.api.convert import entry_of  # noqa: PLC0415 - with the client

    for item in listed(answer):
        entry = entry_of(item)
        entries[entry.id] = entry


def _by_id(assets: dict[str, FlavorAsset]) -> list[FlavorAsset]:
    return [assets[key] for key in sorted(assets)]


def _ids(items: Any) -> frozenset[str]:
    return frozenset(str(item.id) for item in listed(items))


def _web_answer(item: Any) -> frozenset[str] | KalturaError:
    if isinstance(item, NotReadyError | NotFoundError):
        return frozenset()
    if isinstance(item, _EVERYBODYS):
        raise item
    return item if isinstance(item, KalturaError) else _ids(item)


def _may_be_one_calls_fault(error: KalturaError) -> bool:
    """Tell whether an answer without a single item may be due to one of its calls: it died, or crashed the server."""
    if isinstance(error, _EVERYBODYS):
        return False
    return error.x_kaltura_code is not None or error.code in {"HTTP_500", "EMPTY_ANSWER"}


def _snapshot_of(
    entry_id: str, entry: Entry | None, assets: list[FlavorAsset], web: frozenset[str] | KalturaError | None
) -> EntrySnapshot | KalturaError:
    if entry is None:
        return _unknown_entry(entry_id)
    if isinstance(web, KalturaError):
        return web
    return EntrySnapshot(entry=entry, assets=tuple(assets), web_playable_ids=web)


def _present(item: Any, what: str, object_id: str) -> Any:
    if item is None:
        raise KalturaTransportError(f"{what} of {object_id}: the server answered nothing.", "NULL_ANSWER")
    return item


def _same(found: str, asked: str, what: str) -> None:
    if found != asked:
        raise KalturaTransportError(f"{what} of {asked}: the server answered {found!r:.80}.", "OTHER_OBJECT")


def _unknown_entry(entry_id: str) -> NotFoundError:
    text = f"Entry {entry_id} does not exist, is deleted, or belongs to another account."
    return NotFoundError(text, "ENTRY_ID_NOT_FOUND", "baseEntry", "getByIds", entry_id)


def _unique(entry_ids: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(check_id(entry_id) for entry_id in entry_ids))


def _chunks(items: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]

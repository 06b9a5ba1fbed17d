"""
The official client on a transport that can be trusted.

Requests are built and objects are read by the official KalturaApiClient; what lies between (HTTP, XML, errors, retries,
sessions) is ours. Imported only when a request is made: KalturaApiClient takes half a second and some 80 MB.

What it raises is both: our typed error (:mod:`~airflow_provider_kaltura.api.errors`) and the official
``KalturaException`` (an answer of the API) or ``KalturaClientException`` (no usable answer), so that code written for
the official client keeps working. Such an error is pickled as the plain typed one. Errors of single actions inside a
multirequest are items of the list, as with the official client.
"""

from __future__ import annotations

import contextlib
import copy
import threading
from typing import TYPE_CHECKING, Any, Protocol

from KalturaClient.Base import KalturaConfiguration, KalturaParams
from KalturaClient.Client import KalturaClient

from airflow_provider_kaltura.api import answers, listing_guard, pieces
from airflow_provider_kaltura.api.answers import Call
from airflow_provider_kaltura.api.errors import InvalidSessionError, KalturaError, ThrottledError
from airflow_provider_kaltura.api.official import as_official
from airflow_provider_kaltura.api.redact import announce_sessions, redact
from airflow_provider_kaltura.api.retries import PartialAnswerError, is_idempotent, is_transient

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lxml import etree

    from airflow_provider_kaltura.api.runtime import Runtime
    from airflow_provider_kaltura.api.session import Session

_ID_PARAMETERS = ("id", "entryId", "assetId", "widgetId")


class SessionSource(Protocol):
    """Where a client gets its KS from, again and again."""

    def current(self) -> Session:
        """Return a session that is not about to expire."""

    def renew(self, stale: str) -> Session:
        """
        Return a session other than *stale*.

        :param stale: The KS that the server refused.
        :returns: The session.
        """


class TrustedKalturaClient(KalturaClient):  # type: ignore[misc] # the official client has no types
    """
    The official client for one account: every service of it, safe across threads.

    :param runtime: Transport, limiter and retries of the account.
    :param sessions: Where the KS comes from; None for a client without one.
    """

    def __init__(self, runtime: Runtime, sessions: SessionSource | None = None) -> None:
        # Calls queue here; per thread, so that two threads never take each other's answers.
        self._local = threading.local()
        self._runtime = runtime
        self._sessions = sessions
        self._managed: set[str] = set()
        super().__init__(KalturaConfiguration(runtime.config.service_url))
        self.setClientTag(runtime.config.user_agent)
        if sessions is not None:
            self._manage(sessions.current())

    def __repr__(self) -> str:
        config = self._runtime.config
        return f"TrustedKalturaClient({config.connection_id!r}, partner {config.partner_id})"

    # -- state of one call, per thread ---------------------------------------------------------------------------

    @property
    def callsQueue(self) -> list[Any]:  # noqa: N802 - the official name
        """Calls of this thread that were not sent yet."""
        return self._local.__dict__.setdefault("calls", [])  # type: ignore[no-any-return] # a list, by construction

    @callsQueue.setter
    def callsQueue(self, value: list[Any]) -> None:  # noqa: N802 - the official name
        self._local.calls = value

    @property
    def multiRequestReturnType(self) -> list[Any] | None:  # noqa: N802 - the official name
        """Types that this thread's multirequest will return; None outside one."""
        return getattr(self._local, "types", None)

    @multiRequestReturnType.setter
    def multiRequestReturnType(self, value: list[Any] | None) -> None:  # noqa: N802 - the official name
        self._local.types = value

    @property
    def responseHeaders(self) -> Any:  # noqa: N802 - the official name
        """Headers of this thread's last answer."""
        return getattr(self._local, "headers", None)

    @responseHeaders.setter
    def responseHeaders(self, value: Any) -> None:  # noqa: N802 - the official name
        self._local.headers = value

    @property
    def executionTime(self) -> float | None:  # noqa: N802 - the official name
        """Seconds that the server took for this thread's last answer."""
        return getattr(self._local, "seconds", None)

    @executionTime.setter
    def executionTime(self, value: float | None) -> None:  # noqa: N802 - the official name
        self._local.seconds = value

    # -- construction --------------------------------------------------------------------------------------------

    def loadPlugins(self) -> None:  # noqa: N802 - the official name
        """Load the official client's plugins once per process, and only bind their services afterwards."""
        for plugin in _plugins():
            super().registerPluginServices(plugin)

    # -- one request ---------------------------------------------------------------------------------------------

    def queueServiceActionCall(  # noqa: N802 - the official name
        self,
        service: str,
        action: str,
        returnType: str,  # noqa: N803 - the official name
        params: Any = None,
        files: Any = None,
    ) -> None:
        """
        Queue a call; the official default of *params* is one object for all clients, which carried KSs across.

        :param service: Service.
        :param action: Action.
        :param returnType: Class of the answer.
        :param params: Parameters; copied.
        :param files: Files.
        """
        try:
            params = KalturaParams() if params is None else copy.deepcopy(params)
            if self._sessions is not None:
                session = self._sessions.current()
                self._manage(session)
                listing_guard.check(service, action, params.get(), session)
            super().queueServiceActionCall(service, action, returnType, params, files)
        except BaseException:
            self._forget_queue()
            raise

    def startMultiRequest(self) -> None:  # noqa: N802 - the official name
        """Begin a multirequest; what this thread queued before and never sent is forgotten."""
        self.callsQueue = []
        super().startMultiRequest()

    def doQueue(self) -> Any:  # noqa: N802 - the official name
        """
        Send what was queued.

        :returns: The ``result`` element, None when nothing was queued.
        """
        self._local.sent = [_describe(call) for call in self.callsQueue]
        try:
            return super().doQueue()
        except BaseException:
            self._forget_queue()
            raise

    def getRequestParams(self) -> tuple[str, Any, Any]:  # noqa: N802 - the official name
        """
        Build the request officially, but number the calls of a multirequest from 1, as references count.

        :returns: URL, parameters, files.
        """
        url, params, files = super().getRequestParams()
        if self.multiRequestReturnType is not None:
            count = len(self.callsQueue)
            given = params.get()
            calls = {str(index + 1): given.pop(index) for index in range(count)}
            given.update(calls)
            files = {_renumbered(name): value for name, value in files.items()}
            _sign(params)
        return url, params, files

    def doHttpRequest(self, url: str, params: Any = None, files: Any = None) -> etree._Element:  # noqa: N802 - official
        """
        Send one request, again where that helps, with a new KS where that helps.

        :param url: Below the service URL.
        :param params: Parameters.
        :param files: Files to upload.
        :returns: The ``result`` element, complete and without an error at its top.
        :raises KalturaError: As the module's docstring says.
        """
        calls: list[Call] = self._local.sent
        try:
            self._refresh(params)
            try:
                return self._send(url, params, files, calls, renewable=self._sessions is not None)
            except InvalidSessionError as error:
                if not error.renewable or not self._renew(params):
                    raise
            return self._send(url, params, files, calls, renewable=False)
        except KalturaError as error:
            raise as_official(error) from error.__cause__

    def parsePostResult(self, postResult: etree._Element) -> etree._Element:  # noqa: N802, N803 - the official names
        """Pass on what :meth:`doHttpRequest` has read strictly."""
        return postResult

    def getExceptionIfError(self, resultNode: etree._Element) -> KalturaError | None:  # noqa: N802, N803 - official
        """Read the error of one item of a multirequest, typed."""
        parent = resultNode.getparent()
        calls: list[Call] = self._local.sent
        index = parent.index(resultNode) if parent is not None and parent.tag == "result" else 0
        call = calls[index] if index < len(calls) else Call("multirequest", "")
        error = answers.error_of(resultNode, call)
        return None if error is None else as_official(error)

    def log(self, msg: object) -> None:
        """Pass a line to the configured logger, without secrets."""
        if self.shouldLog:
            super().log(redact(str(msg)))

    # -- ours ----------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def unannounced(self) -> Iterator[None]:
        """Tell nobody about the sessions in this thread's answers: masking thousands of URLs would cost too much."""
        self._local.is_unannounced = True
        try:
            yield
        finally:
            self._local.is_unannounced = False

    def _send(self, url: str, params: Any, files: Any, calls: Sequence[Call], *, renewable: bool) -> etree._Element:
        idempotent = not files and all(is_idempotent(call.service, call.action) for call in calls)
        retrier, limiter = self._runtime.retrier, self._runtime.limiter
        if idempotent and self.multiRequestReturnType is not None and pieces.can_be_cut(params):

            def send_some(some: Any, its_calls: Sequence[Call]) -> etree._Element:
                _sign(some)
                return self._attempt(url, some, files, its_calls, idempotent=True, renewable=renewable)

            return pieces.Pieces(params, calls, send_some).all(retrier, limiter)
        try:
            return retrier.call(
                lambda: self._attempt(url, params, files, calls, idempotent=idempotent, renewable=renewable),
                idempotent=idempotent,
            )
        except PartialAnswerError as error:
            return error.answer  # type: ignore[no-any-return] # the element that was raised below

    def _attempt(
        self, url: str, params: Any, files: Any, calls: Sequence[Call], *, idempotent: bool, renewable: bool
    ) -> etree._Element:
        runtime = self._runtime
        multirequest = self.multiRequestReturnType is not None
        with runtime.limiter.slot(max(1, len(calls))) as slot:
            try:
                body = _body(params, files)
                answer = runtime.transport.post(url, **body)
                self.responseHeaders = answer.headers
                if not getattr(self._local, "is_unannounced", False):
                    announce_sessions(answer.body)
                result = answers.parse(answer, calls, multirequest=multirequest, now=runtime.now)
            except ThrottledError:
                slot.blocked()
                raise
            if multirequest:
                found = [answers.error_of(node, call) for node, call in zip(result, calls, strict=True)]
                slot.blocked(sum(isinstance(error, ThrottledError) for error in found))
                _raise_for_items(found, result, idempotent=idempotent, renewable=renewable)
            return result

    def _forget_queue(self) -> None:
        # Else the next single call would be swallowed by a multirequest that is over.
        self.callsQueue = []
        self.multiRequestReturnType = None

    def _manage(self, session: Session) -> None:
        """Use this session from now on, unless the user has set a KS of their own."""
        mine = self.requestConfiguration.get("ks") in {None, *self._managed}
        self._managed.add(session.ks)
        if mine:
            self.setKs(session.ks)

    def _refresh(self, params: Any) -> None:
        """Put the current KS into calls that were queued with one that is about to expire."""
        if self._sessions is not None:
            session = self._sessions.current()
            self._managed.add(session.ks)
            self._replace(params, session.ks)

    def _renew(self, params: Any) -> bool:
        """Put a new KS into refused calls; False when they carry the user's own KS."""
        if self._sessions is None:
            return False
        used = {ks for ks in _sessions_in(params) if ks in self._managed}
        if not used:
            return False
        session = self._sessions.renew(used.pop())
        self._manage(session)
        self._replace(params, session.ks)
        return True

    def _replace(self, params: Any, ks: str) -> None:
        changed = False
        for holder in _holders(params):
            if holder.get("ks") in self._managed and holder["ks"] != ks:
                holder["ks"] = ks
                changed = True
        if changed:
            _sign(params)


_plugins_lock = threading.Lock()
_loaded: list[Any] = []


def _plugins() -> list[Any]:
    """Load the plugin modules once; the classes that they register are the process's anyway."""
    with _plugins_lock:
        if not _loaded:
            collector = _Collector()
            KalturaClient.loadPlugins(collector)
            _loaded.extend(collector.plugins)
        return _loaded


class _Collector(KalturaClient):  # type: ignore[misc] # the official client has no types
    """Runs the official loading and notes which plugins it finds."""

    def __init__(self) -> None:
        self.plugins: list[Any] = []

    def registerPluginServices(self, plugin: Any) -> None:  # noqa: N802 - the official name
        self.plugins.append(plugin)


def _describe(call: Any) -> Call:
    params = call.params.get()
    object_id = next((str(params[name]) for name in _ID_PARAMETERS if isinstance(params.get(name), str)), None)
    return Call(call.service, call.action, object_id)


def _body(params: Any, files: Any) -> dict[str, Any]:
    if not files:
        return {"json": params.get()}
    from requests_toolbelt.multipart.encoder import MultipartEncoder  # type: ignore[import-untyped] # noqa: PLC0415

    fields = {"json": params.toJson(), **{name: _file(value) for name, value in files.items()}}
    encoder = MultipartEncoder(fields=fields)
    return {"data": encoder, "content_type": encoder.content_type}


def _file(value: Any) -> Any:
    if not hasattr(value, "read"):
        return value
    return (getattr(value, "name", "file"), value, "application/octet-stream")


def _sign(params: Any) -> None:
    params.get().pop("kalsig", None)
    params.put("kalsig", params.signature())


def _renumbered(name: str) -> str:
    index, _, rest = name.partition(":")
    return f"{int(index) + 1}:{rest}"


def _holders(params: Any) -> list[dict[str, Any]]:
    top = params.get()
    return [top, *(value for value in top.values() if isinstance(value, dict))]


def _sessions_in(params: Any) -> list[str]:
    return [holder["ks"] for holder in _holders(params) if isinstance(holder.get("ks"), str)]


def _raise_for_items(
    found: Sequence[KalturaError | None], result: etree._Element, *, idempotent: bool, renewable: bool
) -> None:
    """Raise when the whole multirequest should be sent once more, with a new KS or a little later."""
    failed = [error for error in found if error is not None]
    expired = [error for error in failed if isinstance(error, InvalidSessionError) and error.renewable]
    # What the server refused for its KS was not done: then even what is not idempotent may be sent again.
    if renewable and expired and (idempotent or len(expired) == len(found)):
        raise expired[0]
    passing = {index: error for index, error in enumerate(found) if error is not None and is_transient(error)}
    if idempotent and passing:
        raise PartialAnswerError(result, next(iter(passing.values())), frozenset(passing))

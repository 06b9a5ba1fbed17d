"""The connection to Kaltura, as Airflow knows it."""

from __future__ import annotations

import asyncio
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any, Unpack

from airflow_provider_kaltura.api import secrets
from airflow_provider_kaltura.api.errors import KalturaError
from airflow_provider_kaltura.compat import (
    AirflowNotFoundException,
    BaseHook,
    get_async_connection,
    get_async_extra_dejson,
    mask_secret,
)
from airflow_provider_kaltura.exceptions import KalturaProviderError, airflow_errors, to_airflow
from airflow_provider_kaltura.get_provider_info import get_provider_info
from airflow_provider_kaltura.hooks.connection import client_config, is_missing, require_conn_id
from airflow_provider_kaltura.hooks.listing import EntryWords, queries_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from airflow_provider_kaltura.api.config import ClientConfig
    from airflow_provider_kaltura.api.facade import KalturaApi
    from airflow_provider_kaltura.api.models import Entry

__all__ = ["KalturaHook"]


class KalturaHook(BaseHook):
    """
    Reach a Kaltura account through an Airflow connection of the type ``kaltura``.

    The host is the service URL (default ``https://www.kaltura.com``), the login the partner id, the password the one
    secret of the authentication method; extras say the rest. Nothing is read or sent before it is needed. A hook may
    be used from several threads.

    :param kaltura_conn_id: The connection.
    """

    conn_name_attr = "kaltura_conn_id"
    default_conn_name = "kaltura_default"
    conn_type = "kaltura"
    hook_name = "Kaltura"

    def __init__(self, kaltura_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.kaltura_conn_id = kaltura_conn_id

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what holds the secret: whoever unpickles the hook reads the connection anew."""
        return {name: value for name, value in self.__dict__.items() if name not in {"config", "api"}}

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Describe the standard fields of the form to Airflow before 3.2."""
        behaviour = get_provider_info()["connection-types"][0]["ui-field-behaviour"]
        return {key.replace("-", "_"): value for key, value in behaviour.items()}

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Give the extra fields of the form to Airflow before 3.2."""
        from airflow_provider_kaltura.hooks._widgets import widgets  # noqa: PLC0415, exists on Airflow 2 only

        return widgets(get_provider_info()["connection-types"][0]["conn-fields"])

    @cached_property
    def config(self) -> ClientConfig:
        """
        The connection as the API's settings.

        :returns: The settings.
        :raises KalturaConnectionError: It is of another type, or a field is missing or malformed.
        :raises KalturaArgumentError: There is no such connection.
        """
        try:
            connection = self.get_connection(require_conn_id(self.kaltura_conn_id))
        except AirflowNotFoundException:
            raise is_missing(self.kaltura_conn_id) from None
        # Reading it masks what it holds; what we parse is the text itself.
        _ = connection.extra_dejson
        with airflow_errors():
            return client_config(connection)

    @cached_property
    def api(self) -> KalturaApi:
        """Kaltura as this package sees it: typed, retried, masked. Its errors are those of ``api.errors``."""
        return self._api(self.config)

    async def aget_api(self) -> KalturaApi:
        """
        Make ``api`` on an event loop, without blocking it.

        :returns: The API; its methods block, call them by ``asyncio.to_thread``.
        :raises KalturaConnectionError: It is of another type, or a field is missing or malformed.
        :raises KalturaArgumentError: The connection has no name.
        :raises AirflowNotFoundException: There is no such connection here; the workers may have it.
        """
        if "config" not in self.__dict__:
            connection = await get_async_connection(require_conn_id(self.kaltura_conn_id), hook=self)
            await get_async_extra_dejson(connection)
            with airflow_errors():
                self.__dict__["config"] = client_config(connection)
        # Masking talks to the supervisor, which must not happen on the loop's own thread.
        return await asyncio.to_thread(getattr, self, "api")

    def get_conn(self, privileges: Sequence[str] | None = None) -> Any:
        """
        Get the authenticated official client, for everything that this package has no method for.

        :param privileges: Privileges of its session; None takes those of the connection.
        :returns: A ``KalturaClient`` with this package's transport and retries, whose KS is set.
        :raises KalturaProviderError: No session could be made.
        """
        with airflow_errors(self.kaltura_conn_id):
            return self.api.client(privileges=privileges)

    def list_entries(self, **words: Unpack[EntryWords]) -> Iterator[Entry]:
        """
        List entries, however many, each once, also while the library changes.

        Nothing is sent before the first one is asked for; memory holds one page.

        :param **words: Which entries, see :class:`.EntryWords`; by default all ready media of the account.
        :returns: Entries in order of their creation; with ``entry_ids``, for each 500 of these.
        :raises KalturaArgumentError: An argument can't be right; also a misspelt field of ``filter``.
        :raises KalturaProviderError: Kaltura could not be asked; raised while the entries come.
        """
        with airflow_errors(self.kaltura_conn_id):
            walks = [self.api.list_entries(query) for query in queries_of(words)]
        return self._translated(chain.from_iterable(walks))

    def test_connection(self) -> tuple[bool, str]:
        """
        Try the connection.

        :returns: Whether it works, and one sentence that says what is wrong; no secret in it.
        """
        try:
            result = self.api.check()
        except KalturaError as error:
            return False, str(to_airflow(error))
        except KalturaProviderError as error:
            return False, str(error)
        return result.ok, result.message

    def _translated(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        with airflow_errors(self.kaltura_conn_id):
            yield from entries

    @staticmethod
    def _api(config: ClientConfig) -> KalturaApi:
        # Not at the top: DAG files are parsed often, and need none of it.
        from airflow_provider_kaltura.api.facade import KalturaApi  # noqa: PLC0415, see above

        secrets.register(mask_secret)
        return KalturaApi(config)

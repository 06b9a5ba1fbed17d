"""Which services and actions there are, what they need, and what an action is given."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_kaltura.sandbox import enums
from airflow_provider_kaltura.sandbox.errors import ApiError
from airflow_provider_kaltura.sandbox.parameters import integer, is_set, text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_kaltura.sandbox.ks import Session
    from airflow_provider_kaltura.sandbox.library import Json, Library, Place
    from airflow_provider_kaltura.sandbox.sessions import SessionBook


_FILLED = (str, dict, list)


class Access(enum.Enum):
    """Who may call an action. Without a KS a READ is allowed and finds nothing; a LIST is forbidden."""

    OPEN = enum.auto()
    READ = enum.auto()
    LIST = enum.auto()
    ADMIN = enum.auto()
    NOBODY = enum.auto()


@dataclass
class Call:
    """One action that is being carried out."""

    library: Library
    sessions: SessionBook
    place: Place
    parameters: Json
    session: Session | None
    address: str = ""

    @property
    def partner_id(self) -> int | None:
        """The partner of the session; None without one."""
        return self.session.partner_id if self.session else None

    @property
    def is_admin(self) -> bool:
        """Whether the caller has an admin session."""
        return self.session is not None and self.session.is_admin

    def text(self, name: str) -> str:
        """Return a parameter as text, "" when it is absent."""
        return text(self.parameters.get(name))

    def integer(self, name: str, default: int = 0) -> int:
        """Return a parameter as a number, *default* when it is absent."""
        return integer(self.parameters[name]) if self.is_set(name) else default

    def is_set(self, name: str) -> bool:
        """Whether a parameter was given and isn't empty."""
        return is_set(self.parameters.get(name))

    def object(self, name: str) -> Json:
        """Return a parameter that is an object, {} when it is absent or something else."""
        value = self.parameters.get(name)
        return value if isinstance(value, dict) else {}

    def show(self, value: Json) -> Json:
        """Return a stored object as this caller sees it: with the server's address filled in."""
        fill = self.place.fill
        return {name: fill(item) if isinstance(item, _FILLED) else item for name, item in value.items()}


@dataclass(frozen=True)
class FileAnswer:
    """An action's answer that is a file."""

    object_id: str
    version: str
    content_type: str


@dataclass(frozen=True)
class TextAnswer:
    """An action's answer that is a text of its own type."""

    body: str
    content_type: str


@dataclass(frozen=True)
class Action:
    """
    An action of a service.

    :param full_name: Service and action, ``service.action``.
    :param label: Service and action as messages name them.
    :param run: What it does.
    :param access: Who may.
    :param required: Parameters that must be there; an empty text is there.
    :param enums: Parameters whose values are checked, with the enumeration; a dot goes into an object.
    :param serves: Whether it answers a file; its errors then have no body.
    """

    full_name: str
    label: str
    run: Callable[[Call], Any]
    access: Access
    required: tuple[str, ...] = ()
    enums: Mapping[str, str] = field(default_factory=dict)
    serves: bool = False

    def validate(self, parameters: Json) -> None:
        """Report the first parameter that is missing or no value of its enumeration."""
        for name in self.required:
            if parameters.get(name) is None:
                raise ApiError("MISSING_MANDATORY_PARAMETER", PARAM_NAME=name)
        for path, enumeration in self.enums.items():
            above, _, name = path.rpartition(".")
            holder = parameters.get(above) if above else parameters
            if isinstance(holder, dict):
                enums.check(name, holder.get(name), enumeration)


_SERVICES: dict[str, dict[str, Action]] = {}


def action(
    service: str,
    name: str,
    *required: str,
    access: Access,
    enums: Mapping[str, str] | None = None,
    serves: bool = False,
) -> Callable[[Callable[[Call], Any]], Callable[[Call], Any]]:
    """
    Register the decorated function as an action.

    :param service: Name of the service; one of a plugin is ``plugin_service``.
    :param name: Name of the action.
    :param *required: Its mandatory parameters.
    :param access: Who may call it.
    :param enums: Checked parameters.
    :param serves: Whether it answers a file.
    :returns: The decorator.
    """

    def register(run: Callable[[Call], Any]) -> Callable[[Call], Any]:
        # Messages give the names of core services as they are, those of plugins in lower case.
        shown = service.lower() if "_" in service else service
        entry = Action(f"{service}.{name}", f"{shown}->{name}", run, access, required, enums or {}, serves)
        _SERVICES.setdefault(service.lower(), {})[name.lower()] = entry
        return run

    return register


def find(service: str, name: str) -> Action:
    """
    Return an action; names ignore case.

    :param service: Name of the service.
    :param name: Name of the action.
    :returns: The action.
    :raises ApiError: The service or action is not named, or doesn't exist.
    """
    if not service:
        raise ApiError("SERVICE_NOT_SPECIFIED")
    actions = _SERVICES.get(service.lower())
    if actions is None:
        raise ApiError("SERVICE_DOES_NOT_EXISTS", SRV_NAME=service.lower())
    if not name:
        raise ApiError("ACTION_NOT_SPECIFIED")
    if name.lower() not in actions:
        raise ApiError("ACTION_DOES_NOT_EXISTS", ACTION_NAME=name.lower(), SERVICE_NAME=service.lower())
    return actions[name.lower()]


def names() -> list[str]:
    """Return ``service.action`` of everything that there is."""
    return [action.full_name for actions in _SERVICES.values() for action in actions.values()]


def canonical(service: str, name: str) -> str:
    """Return ``service.action`` as Kaltura writes it; names that don't exist stay as they are."""
    action = _SERVICES.get(service.lower(), {}).get(name.lower())
    return action.full_name if action is not None else f"{service}.{name}"


def list_response(name: str, objects: list[Json], total: int) -> Json:
    """Return a list answer of the class *name*."""
    return {"totalCount": total, "objects": objects, "objectType": name}

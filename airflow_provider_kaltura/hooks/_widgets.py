"""The extra fields of the connection form for Airflow before 3.2, made from ``conn-fields``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def widgets(fields: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """
    Make form widgets.

    :param fields: ``conn-fields`` of the provider info.
    :returns: Widgets by field name.
    """
    # Both come with Airflow 2's web server only, and without types.
    from flask_appbuilder import fieldwidgets  # type: ignore[import-not-found]  # noqa: PLC0415
    from wtforms import IntegerField, PasswordField, StringField  # type: ignore[import-untyped]  # noqa: PLC0415
    from wtforms.validators import AnyOf, NumberRange, Optional  # type: ignore[import-untyped]  # noqa: PLC0415

    made = {}
    for name, field in fields.items():
        schema = field["schema"]
        validators = [Optional()]
        if choices := [choice for choice in schema.get("enum", ()) if choice is not None]:
            validators.append(AnyOf(choices))
        if schema["type"][0] == "integer":
            validators.append(NumberRange(min=schema.get("minimum")))
        secret = schema.get("format") == "password"
        kind = PasswordField if secret else IntegerField if schema["type"][0] == "integer" else StringField
        made[name] = kind(
            field["label"],
            widget=fieldwidgets.BS3PasswordFieldWidget() if secret else fieldwidgets.BS3TextFieldWidget(),
            validators=validators,
            description=field.get("description"),
        )
    return made

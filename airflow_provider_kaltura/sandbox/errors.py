"""
What the server answers when it refuses: an API error with arguments, or a "die" error without a body.

    SandboxError
    ├─ ApiError   code, message and args in the body, HTTP 200
    ├─ Die        HTTP 200 with no body at all; the reason stands only in the header X-Kaltura
    └─ Crash      HTTP 500 with no body

Templates name their arguments in braces; the names are those that the answer gives in ``args``.
"""

from __future__ import annotations

# code -> (template, whose placeholders become args in this order)
TEMPLATES: dict[str, str] = {
    "ACTION_BLOCKED": 'Action "{ACTION_NAME}" in service "{SERVICE_NAME}" is blocked',
    "ACTION_DOES_NOT_EXISTS": 'Action "{ACTION_NAME}" does not exists for service "{SERVICE_NAME}"',
    "ACTION_NOT_SPECIFIED": "Action name was not specified, please specify one",
    "ACCESS_CONTROL_ID_NOT_FOUND": 'Access control id "{ID}" not found',
    "APP_TOKEN_EXPIRED": 'Application token id "{ID}" expired',
    "APP_TOKEN_ID_NOT_FOUND": 'Application token id "{ID}" not found',
    "APP_TOKEN_NOT_ACTIVE": 'Application token id "{ID}" not active',
    "ATTACHMENT_ASSET_ID_NOT_FOUND": 'Attachment asset id "{ASSET_ID}" not found',
    "ATTACHMENT_ASSET_IS_NOT_READY": 'Attachment asset "{ASSET_ID}" is not ready',
    "CAPTION_ASSET_ID_NOT_FOUND": 'Caption asset id "{ASSET_ID}" not found',
    "CAPTION_ASSET_IS_NOT_READY": 'Caption asset "{ASSET_ID}" is not ready',
    "CATEGORY_NOT_FOUND": 'Category id "{ID}" not found',
    "CONVERSION_PROFILE_ID_NOT_FOUND": 'Conversion profile id "{ID}" not found',
    "ENTRY_ID_NOT_FOUND": 'Entry id "{ENTRY_ID}" not found',
    "FILE_DOESNT_EXIST": "File doesnt exist",
    "FLAVOR_ASSET_ID_NOT_FOUND": 'Flavor asset id "{ID}" not found',
    "FLAVOR_ASSET_IS_NOT_READY": "The flavor asset is not ready",
    "FLAVOR_PARAMS_ID_NOT_FOUND": 'Flavor params id "{ID}" not found',
    "INTERNAL_DATABASE_ERROR": "Internal database error",
    "INTERNAL_SERVERL_ERROR": "Internal server error occurred",
    "INVALID_APP_TOKEN_HASH": "Invalid application token hash",
    "INVALID_ENUM_VALUE": (
        'Invalid enumeration value "{ENUM_VAL}" for parameter "{PARAM_NAME}", expecting enumeration type "{ENUM_TYPE}"'
    ),
    "INVALID_KS": 'Invalid KS "{KSID}", Error "{ERR_CODE},{ERR_DESC}"',
    "INVALID_WIDGET_ID": "Invalid widget id",
    "MISSING_MANDATORY_PARAMETER": 'Missing parameter "{PARAM_NAME}"',
    "NO_FLAVORS_FOUND": "No flavors found",
    "PROPERTY_VALIDATION_CANNOT_BE_NULL": 'The property "{PROP_NAME}" cannot be null',
    "PROPERTY_VALIDATION_NOT_UPDATABLE": 'The property "{PROP_NAME}" cannot be updated',
    "QUERY_EXCEEDED_MAX_MATCHES_ALLOWED": "Unable to generate list. max matches value was reached",
    "SERVICE_DOES_NOT_EXISTS": 'Service "{SRV_NAME}" does not exists',
    "SERVICE_FORBIDDEN": "The access to service [{SERVICE}] is forbidden",
    "SERVICE_FORBIDDEN_CONTENT_BLOCKED": (
        "The access to this service is forbidden since the specified partner is blocked"
    ),
    "SERVICE_NOT_SPECIFIED": "Service name was not specified, please specify one",
    "START_SESSION_ERROR": "Error while starting session for partner [{PID}]",
    "THUMB_ASSET_ID_NOT_FOUND": 'The Thumbnail asset id "{ID}" not found',
    "THUMB_ASSET_IS_NOT_READY": "The thumbnail asset is not ready",
    "UNKNOWN_RESPONSE_FORMAT": "Response format provided [{FORMAT}] is not recognized by server",
}

# number of a die error -> what X-Kaltura-App says about it
REASONS: dict[int, str] = {
    1: "requested entry not found",
    2: "entry restricted due to scheduling",
    3: "entry restricted due to access-control",
    5: "requested file was not found",
    6: "requested flavor was not found",
    7: "invalid KS",
    13: "entry is restricted due to invalid moderation status",
    14: "partner not found",
    15: "partner not active",
    16: "IP country is blocked",
    30: "service access control",
    40: "action blocked",
    44: "internal server error",
    46: "too many processes",
    53: "invalid auth header",
    55: "database error",
    57: "rate limit",
    58: "entry is in the recycle bin",
}


class SandboxError(Exception):
    """Something that the server answers instead of a result."""


class ApiError(SandboxError):
    """An error in Kaltura's envelope: ``code``, ``message`` and the named ``args``."""

    def __init__(self, code: str, **args: object) -> None:
        self.code = code
        self.args_by_name = {name: str(value) for name, value in args.items()}
        self.message = TEMPLATES[code].format(**self.args_by_name)
        super().__init__(self.message)


class Die(SandboxError):  # noqa: N818 - what Kaltura calls it
    """An answer without a body; ``X-Kaltura`` has the number, or a blank and the code of an API error."""

    def __init__(self, reason: int | ApiError, *, cached: bool = False, detail: str | None = None) -> None:
        if isinstance(reason, ApiError):
            label, text = f" {reason.code}", f"{reason.code} - {reason.message}"
        else:
            label, text = str(reason), f"{reason} - {REASONS.get(reason, 'error')}"
        self.reason = reason
        self.header = f"{'cached-' if cached else ''}error-{label}"
        self.app_header = f"exiting on error {detail or text}"
        super().__init__(self.header)


class Crash(SandboxError):  # noqa: N818 - an end, as Die is
    """The server fell over: HTTP 500, text/html, nothing else."""


def invalid_ks(ksid: str) -> ApiError:
    """Return the one error that every bad KS gets; *ksid* tells the reason, or is the text of the KS."""
    return ApiError("INVALID_KS", KSID=ksid, ERR_CODE="-1", ERR_DESC="INVALID_STR")


def not_allowed() -> ApiError:
    """Return the INVALID_KS that means "a KS of this kind may not do that"."""
    return ApiError("INVALID_KS", KSID="", ERR_CODE="-4", ERR_DESC="INVALID_TYPE")

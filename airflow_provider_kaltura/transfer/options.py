"""What users may ask a store to keep beside the bytes, in one vocabulary for all stores."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_kaltura.transfer.protocols import ObjectAttributes


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOptions:
    """
    What a store shall keep beside the bytes. Which of them it can keep is said by the store, before anything moves.

    :param storage_class: The store's own name: ``"STANDARD_IA"`` (S3), ``"NEARLINE"`` (GCS), ``"Cool"`` (Azure's tier).
    :param sse: S3 only: ``"AES256"``, ``"aws:kms"`` or ``"aws:kms:dsse"``.
    :param kms_key: Key of S3's SSE-KMS or of GCS; encryption scope of Azure.
    :param acl: Canned ACL of S3, predefined ACL of GCS.
    :param content_type: Instead of the one that follows from the file's format.
    :param content_disposition: Instead of ``attachment`` with the file's name.
    :param metadata: Besides ours; names that begin with ``kaltura-`` are ours.
    :param tags: Tags of S3 and Azure.
    """

    storage_class: str | None = None
    sse: str | None = None
    kms_key: str | None = None
    acl: str | None = None
    content_type: str | None = None
    content_disposition: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name in {"metadata", "tags"}:
                _require_texts(one.name, value)
            elif value is not None and not (isinstance(value, str) and value.isprintable() and value):
                raise ValueError(f"store option {one.name} is a text, not {value!r:.40}")
        if self.kms_key is not None and self.sse == "AES256":
            raise ValueError("store option kms_key asks for KMS, and sse='AES256' for something else")
        if reserved := [name for name in self.metadata if name.lower().startswith("kaltura-")]:
            raise ValueError(f"metadata names that begin with 'kaltura-' are this package's own: {reserved[0]!r:.40}")

    @classmethod
    def of(cls, options: Mapping[str, Any] | None) -> Self:
        """
        Read what a DAG's author wrote.

        :param options: By name; None for none.
        :returns: The options.
        :raises ValueError: A name or a value is none; says which names there are.
        """
        names = {one.name for one in fields(cls)}
        if unknown := sorted(set(map(str, options or ())) - names):
            raise ValueError(f"there is no store option {unknown[0]!r:.40}; there are {', '.join(sorted(names))}")
        return cls(**dict(options or {}))

    @property
    def asked(self) -> frozenset[str]:
        """Names of the options that were given."""
        return frozenset(one.name for one in fields(self) if getattr(self, one.name))

    def apply(self, attributes: ObjectAttributes) -> ObjectAttributes:
        """
        Lay these options over what an object has by itself.

        :param attributes: What follows from the asset.
        :returns: Both; ``options`` has ``storage_class``, ``sse``, ``kms_key`` and ``acl`` where they were given.
        """
        own = ("storage_class", "sse", "kms_key", "acl")
        return replace(
            attributes,
            content_type=self.content_type or attributes.content_type,
            content_disposition=self.content_disposition or attributes.content_disposition,
            metadata={**self.metadata, **attributes.metadata},
            tags={**attributes.tags, **self.tags},
            options={**attributes.options, **{name: getattr(self, name) for name in own if getattr(self, name)}},
        )


def _require_texts(name: str, value: object) -> None:
    if not isinstance(value, dict) or not all(
        isinstance(text, str) and text.isprintable() for pair in value.items() for text in pair
    ):
        raise ValueError(f"store option {name} is a dict of texts by name, not {value!r:.40}")

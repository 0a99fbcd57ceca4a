"""The section `sources` of the configuration file."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from accounts.config_sections import Change, ConfigModel, FunctionSection, Mistake, Name, Secret, kept, store
from leads import selectors
from leads.choices import ConsentRule, SourceKind
from leads.models import LeadSource
from leads.sources.form import DEFAULT_FIELDS, is_field_name

_MOST_FIELDS = 20


def _field_name(value: str) -> str:
    if not is_field_name(value):
        raise ValueError("must be a lower-case name such as phone or company_size")
    return value


class ConsentText(ConfigModel):
    """The sentence beside a form's box, and the version by which it is remembered."""

    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
    version: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)]


class SourceConfig(ConfigModel):
    """One way in."""

    key: Name
    kind: Literal["api", "form", "meta_leads", "google_leads", "linkedin_leads", "partner"]
    consent: Literal["assumed", "required"] | None = None
    consent_text: ConsentText | None = None
    fields: (
        Annotated[list[Annotated[str, AfterValidator(_field_name)]], Field(min_length=1, max_length=_MOST_FIELDS)]
        | None
    ) = None
    duplicate_window_days: Annotated[int, Field(ge=0, le=3_650)] | None = None
    google_key: Secret | None = None
    is_active: bool = True

    @model_validator(mode="after")
    def _fits_its_kind(self) -> "SourceConfig":
        if self.kind == "google_leads" and self.google_key is None:
            raise ValueError("a source of the kind google_leads needs its google_key")
        if self.kind != "google_leads" and self.google_key is not None:
            raise ValueError("google_key belongs to a source of the kind google_leads")
        if self.kind != "form" and self.fields is not None:
            raise ValueError("fields belong to a source of the kind form")
        if self.fields is not None and not {"phone", "email"} & set(self.fields):
            raise ValueError("a form asks for phone or email, or nobody could be answered")
        return self


def check_sources(value: Sequence[SourceConfig], document: Mapping[str, Any]) -> Iterable[Mistake]:
    """Each key and each form field stands once."""
    seen: set[str] = set()
    for index, source in enumerate(value):
        if source.key in seen:
            yield Mistake(f"sources[{index}].key", "is the key of an earlier source")
        seen.add(source.key)
        if source.fields and len(set(source.fields)) != len(source.fields):
            yield Mistake(f"sources[{index}].fields", "names a field twice")


def apply_sources(organization_id: UUID, value: Sequence[SourceConfig]) -> Sequence[Change]:
    """Each named source is as the file says; sources that the file does not name stay, and are reported."""
    changes = [_applied(organization_id, source) for source in value]
    existing = LeadSource.objects.filter(organization_id=organization_id).exclude(kind=SourceKind.ADMIN.value)
    paths = [f"sources.{key}" for key in existing.values_list("key", flat=True)]
    selectors.forget_cached_sources()
    return [*changes, *kept(paths, [change.path for change in changes])]


def _applied(organization_id: UUID, source: SourceConfig) -> Change:
    is_form = source.kind == "form"
    text = source.consent_text
    return store(
        LeadSource,
        path=f"sources.{source.key}",
        identity={"organization_id": organization_id, "key": source.key},
        values={
            "kind": source.kind,
            "consent": source.consent or (ConsentRule.REQUIRED if is_form else ConsentRule.ASSUMED).value,
            "consent_text": text.text if text else "",
            "consent_version": text.version if text else "",
            "fields": source.fields or (list(DEFAULT_FIELDS) if is_form else []),
            "duplicate_window_days": source.duplicate_window_days,
            "credentials": {"google_key": source.google_key} if source.google_key else None,
            "is_active": source.is_active,
        },
    )


SECTIONS = (FunctionSection(key="sources", shape=list[SourceConfig], apply=apply_sources, check=check_sources),)

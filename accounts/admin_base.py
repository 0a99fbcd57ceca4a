"""The base of every admin page of a row that belongs to an organization.

It scopes to the current organization: lists, single objects, choices, autocomplete, filters, actions, exports and
history; and it asks the role matrix instead of Django's permissions. A page that uses another base is refused by
tests/integration/test_isolation.py.
"""

from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib.admin import FieldListFilter
from django.contrib.auth import get_user_model
from django.core.exceptions import NON_FIELD_ERRORS, FieldDoesNotExist, ValidationError
from django.db.models import Field, ForeignKey, Model, QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin, StackedInline, TabularInline
from unfold.contrib.filters.admin import RelatedDropdownFilter
from unfold.widgets import UnfoldAdminPasswordWidget

from accounts import selectors
from accounts.access import access_of
from accounts.audit import record_audit, user_actor
from accounts.models import Organization, OrganizationOwned, Role


class ScopedModelForm(forms.ModelForm):  # type: ignore[type-arg]
    """A form whose new row belongs to the current organization, so that constraints within it are checked and named."""

    current_organization_id: ClassVar[UUID | None] = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance._state.adding and getattr(self.instance, "organization_id", None) is None:
            self.instance.organization_id = self.current_organization_id

    def _get_validation_exclusions(self) -> set[str]:
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return excluded - {"organization"}

    def _post_clean(self) -> None:
        """Django skips a constraint that names a column which is no input here; this checks those as well."""
        super()._post_clean()  # type: ignore[misc]
        try:
            self.instance.validate_constraints(exclude=set(self.errors))
        except ValidationError as error:
            for name, reasons in error.update_error_dict({}).items():
                field = name if name in self.fields else None
                known = [str(reason) for reason in self.errors.get(field or NON_FIELD_ERRORS, ())]
                new = [reason for reason in ValidationError(reasons).messages if reason not in known]
                if new:
                    self.add_error(field, new)


class SecretsWriteOnly(ScopedModelForm):
    """A form that takes secrets and never shows one: an empty input keeps what is stored.

    secret_names: keys of the row's encrypted `secrets_field` (a dict), each one an input of the form.
    """

    secret_names: ClassVar[tuple[str, ...]] = ()
    secrets_field: ClassVar[str] = "credentials"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """The inputs are declared, so that a page's fields and fieldsets can name them."""
        super().__init_subclass__(**kwargs)
        for name in cls.__dict__.get("secret_names", ()):
            cls.declared_fields[name] = forms.CharField(
                required=False,
                max_length=4000,
                widget=UnfoldAdminPasswordWidget(render_value=False, attrs={"autocomplete": "new-password"}),
            )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stored = getattr(self.instance, self.secrets_field, None) or {}
        for name in self.secret_names:
            if name in self.fields:
                hint = "Stored. Leave empty to keep it." if stored.get(name) else "Not set."
                self.fields[name].help_text = hint

    def save(self, commit: bool = True) -> Any:
        """The row holds the secrets that were typed in, and the others as they were."""
        typed = {name: self.cleaned_data[name] for name in self.secret_names if self.cleaned_data.get(name)}
        if typed:
            stored = getattr(self.instance, self.secrets_field, None) or {}
            setattr(self.instance, self.secrets_field, {**stored, **typed})
        return super().save(commit=commit)


class ScopedRelatedFilter(RelatedDropdownFilter):  # type: ignore[misc]
    """A filter by a related row that offers the current organization's rows alone."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        """(id, label) of the rows on offer."""
        rows = scoped_choices(field.remote_field.model, request)
        return [(row.pk, str(row)) for row in rows.order_by("pk")[:500]]


def ask(title: str, description: str, button: str) -> dict[str, str | None]:
    """The dialog that asks before an action of a page is done; what it does then is a POST."""
    return {"title": title, "description": description, "form_class": None, "form_submit_text": button}


def after_dialog(url: str) -> HttpResponse:
    """The answer to a dialog of a page: the browser goes there. It asked by a script, which a plain redirect fools."""
    return HttpResponse(headers={"HX-Redirect": url})


def scoped_choices(model: type[Model], request: HttpRequest) -> QuerySet[Any]:
    """Rows of a model that a person may choose from in the current organization."""
    rows: QuerySet[Any] = model._default_manager.all()
    access = access_of(request)
    if issubclass(model, OrganizationOwned):
        return access.scope(rows)
    if issubclass(model, Organization):
        return access.scope(rows, "pk")
    if issubclass(model, get_user_model()):
        if access.current_id is not None:
            return rows.filter(pk__in=selectors.member_ids_of(access.current_id))
        return rows if access.is_superuser else rows.none()
    return rows


class _Scoped:
    """What pages and inlines share: scope and role matrix.

    view_role, add_role, change_role, delete_role: the least role for each; None: nobody, not even a superuser.
    """

    model: type[Model]
    organization_path: ClassVar[str] = "organization_id"
    view_role: ClassVar[Role | None] = Role.VIEWER
    add_role: ClassVar[Role | None] = Role.MANAGER
    change_role: ClassVar[Role | None] = Role.MANAGER
    delete_role: ClassVar[Role | None] = Role.MANAGER

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """The rows of the current organization."""
        return access_of(request).scope(super().get_queryset(request), self.organization_path)  # type: ignore[misc]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the role may read this."""
        return self._may(request, self.view_role, obj) or self.has_change_permission(request, obj)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the role may add one; a superuser chooses an organization first."""
        return access_of(request).current_id is not None and self._may(request, self.add_role, None)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the role may change this."""
        return self._may(request, self.change_role, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the role may delete this."""
        return self._may(request, self.delete_role, obj)

    def formfield_for_foreignkey(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        """A choice among the current organization's rows; a value from elsewhere is no valid choice."""
        if kwargs.get("queryset") is None:
            kwargs["queryset"] = scoped_choices(db_field.remote_field.model, request)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)  # type: ignore[misc]

    def formfield_for_manytomany(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        """Choices among the current organization's rows."""
        if kwargs.get("queryset") is None:
            kwargs["queryset"] = scoped_choices(db_field.remote_field.model, request)
        return super().formfield_for_manytomany(db_field, request, **kwargs)  # type: ignore[misc]

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> Any:
        """The organization is never an input: it is the current one, and a row stays where it is."""
        return [*(super().get_exclude(request, obj) or ()), "organization"]  # type: ignore[misc]

    def _may(self, request: HttpRequest, role: Role | None, obj: Any) -> bool:
        return role is not None and access_of(request).allows(role, self._organization_id_of(obj))

    def _organization_id_of(self, obj: Any) -> UUID | None:
        if not isinstance(obj, self.model):
            return None
        value: Any = obj
        for name in self.organization_path.split("__"):
            value = getattr(value, name)
        return value if isinstance(value, UUID) else None


class ScopedTabularInline(_Scoped, TabularInline):  # type: ignore[misc]
    """Rows of a table beside their parent; scoped and permitted as a page."""

    form = ScopedModelForm
    extra = 0

    def get_formset(self, request: Any, obj: Any = None, **kwargs: Any) -> Any:
        """A formset whose new rows belong to the current organization."""
        formset = super().get_formset(request, obj, **kwargs)
        formset.form.current_organization_id = access_of(request).current_id
        return formset


class ScopedStackedInline(_Scoped, StackedInline):  # type: ignore[misc]
    """As ScopedTabularInline, one block per row."""

    form = ScopedModelForm
    extra = 0

    def get_formset(self, request: Any, obj: Any = None, **kwargs: Any) -> Any:
        """A formset whose new rows belong to the current organization."""
        formset = super().get_formset(request, obj, **kwargs)
        formset.form.current_organization_id = access_of(request).current_id
        return formset


class ScopedModelAdmin(_Scoped, ModelAdmin):  # type: ignore[misc]
    """The admin page of a model that belongs to an organization.

    audit_as: a word such as `channel` makes every change here an audit entry `channel.changed` with the names of the
    fields; None (work on leads and the like) leaves none.
    """

    form = ScopedModelForm
    audit_as: ClassVar[str | None] = None
    list_filter_sheet = False
    show_full_result_count = False

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whether the page is in the index."""
        return bool(self.has_view_permission(request))

    def has_act_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Agents and everyone above may use the actions of a page that ask for `act`."""
        return self._may(request, Role.AGENT, None)

    def get_form(self, request: Any, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """A form class of this request, which knows the current organization."""
        form = super().get_form(request, obj, change=change, **kwargs)
        form.current_organization_id = access_of(request).current_id
        return form

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """The row, with the words that its page's heading calls it by."""
        found = super().get_object(request, object_id, from_field)
        if found is not None:
            found.page_title = self.page_title(found)
        return found

    def page_title(self, row: Any) -> str:
        """What people call the row. Its __str__ is for logs and so without personal data."""
        return str(row)

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        """The filters; each one by a related row offers the current organization's rows alone."""
        return [self._scoped_filter(entry) for entry in super().get_list_filter(request)]

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """The columns, with the organization when several are in sight."""
        columns = list(super().get_list_display(request))
        sees_all = access_of(request).current_id is None and issubclass(self.model, OrganizationOwned)
        return [*columns, "organization"] if sees_all and "organization" not in columns else columns

    def save_model(self, request: Any, obj: Any, form: Any, change: bool) -> None:
        """The row is saved in the current organization, and the audit log says who did it."""
        super().save_model(request, obj, form, change)
        self._audit(request, obj, "changed" if change else "created", form.changed_data)

    def delete_model(self, request: Any, obj: Any) -> None:
        """The row is gone, and the audit log says who did it."""
        self._audit(request, obj, "deleted", [])
        super().delete_model(request, obj)

    def delete_queryset(self, request: Any, queryset: QuerySet[Any]) -> None:
        """The rows are gone, and the audit log says who did it."""
        for row in queryset:
            self._audit(request, row, "deleted", [])
        super().delete_queryset(request, queryset)

    def _audit(self, request: Any, obj: Any, done: str, fields: list[str]) -> None:
        organization_id = self._organization_id_of(obj)
        if self.audit_as is None or organization_id is None:
            return
        record_audit(
            organization_id=organization_id,
            actor=user_actor(request.user.pk),
            action=f"{self.audit_as}.{done}",
            target=f"{self.audit_as}:{obj.pk}",
            details={"fields": sorted(fields)} if fields else {},
        )

    def _scoped_filter(self, entry: Any) -> Any:
        name, chosen = entry if isinstance(entry, tuple | list) else (entry, None)
        if not isinstance(name, str) or not _is_related(self.model, name):
            return entry
        if chosen is None or (isinstance(chosen, type) and not issubclass(chosen, ScopedRelatedFilter)):
            return name, _scoped_version(chosen)
        return entry


class ReadOnlyScopedAdmin(ScopedModelAdmin):
    """A page that shows rows and changes none, whoever looks."""

    add_role = change_role = delete_role = None


def _scoped_version(chosen: Any) -> type[FieldListFilter]:
    """The chosen kind of filter with scoped choices; the dropdown when none was chosen."""
    if chosen is None or not hasattr(chosen, "field_choices"):
        return ScopedRelatedFilter
    return type(f"Scoped{chosen.__name__}", (chosen,), {"field_choices": ScopedRelatedFilter.field_choices})


def _is_related(model: type[Model], path: str) -> bool:
    """Whether the path ends in a foreign key."""
    field: Any = None
    for name in path.split("__"):
        try:
            field = model._meta.get_field(name)
        except FieldDoesNotExist:
            return False
        if field.is_relation and field.related_model is not None:
            model = field.related_model
    return isinstance(field, Field) and isinstance(field, ForeignKey)

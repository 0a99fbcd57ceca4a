"""Pages for organizations, members, keys, the audit log and users."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from accounts import services
from accounts.access import access_of, choose_organization
from accounts.admin_base import ReadOnlyScopedAdmin, ScopedModelAdmin, ScopedModelForm
from accounts.audit import user_actor
from accounts.models import ApiKey, AuditEntry, Membership, Organization, Role, Scope

User = get_user_model()
admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class PeopleAdmin(UserAdmin, ModelAdmin):  # type: ignore[misc, type-arg]
    """Users of the whole installation, for superusers; organizations see their own under Members."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["username", "email", "is_staff", "is_superuser", "last_login"]
    list_filter = ["is_staff", "is_superuser", "is_active"]
    fieldsets = [
        (None, {"fields": ["username", "password"]}),
        ("Person", {"fields": ["first_name", "last_name", "email"]}),
        ("May log in here", {"fields": ["is_active", "is_staff", "is_superuser"]}),
        ("Dates", {"fields": ["last_login", "date_joined"]}),
    ]
    filter_horizontal = []

    def has_module_permission(self, request: HttpRequest) -> bool:
        return access_of(request).is_superuser

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return access_of(request).is_superuser

    def has_add_permission(self, request: HttpRequest) -> bool:
        return access_of(request).is_superuser

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return access_of(request).is_superuser

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return access_of(request).is_superuser


@admin.register(Organization)
class OrganizationAdmin(ScopedModelAdmin):
    """The organization's own settings; and the switch between organizations."""

    organization_path = "pk"
    add_role = delete_role = None
    audit_as = "organization"
    list_display = ["name", "slug", "timezone", "default_region", "is_active"]
    ordering = ["name"]
    search_fields = ["name", "slug"]
    readonly_fields = ["created_at"]
    fieldsets = [
        (None, {"fields": ["name", "slug", "is_active"]}),
        ("Where", {"fields": ["timezone", "default_region"]}),
        ("First message", {"fields": ["first_message_budget_ms", "duplicate_window_days", "on_ambiguous"]}),
        ("Dates", {"fields": ["created_at"]}),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """The slug stands in addresses that others use, so it stays; only a superuser switches an organization off."""
        fixed = ["slug", "created_at"] if obj is not None else ["created_at"]
        return fixed if access_of(request).is_superuser else [*fixed, "is_active"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Superusers make organizations."""
        return access_of(request).is_superuser

    def get_urls(self) -> list[Any]:
        """The switch beside the usual pages."""
        switch = path(
            "<str:target>/switch/", self.admin_site.admin_view(self.switch_view), name="accounts_organization_switch"
        )
        return [switch, *super().get_urls()]

    def switch_view(self, request: HttpRequest, target: str) -> HttpResponse:
        """The session looks at that organization (or at all), and the index is shown; 404 if the user may not.

        A link and so a GET: all it changes is what its own user looks at.
        """
        organization_id = None if target == "all" else _uuid_or_404(target)
        if not choose_organization(request, organization_id):
            raise Http404
        return HttpResponseRedirect(reverse("admin:index"))


class NewMemberForm(ScopedModelForm):
    """A member by user name; a user who is new gets the password that is typed here."""

    username = forms.CharField(max_length=150, widget=UnfoldAdminTextInputWidget)
    email = forms.EmailField(required=False, widget=UnfoldAdminEmailInputWidget, help_text="For a new user.")
    password = forms.CharField(
        required=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="For a new user. One who exists keeps the password that he or she has.",
    )

    class Meta:
        model = Membership
        fields = ["role"]

    def clean(self) -> dict[str, Any]:
        """A new user has a password, and nobody is a member twice."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        username = cleaned.get("username", "")
        if not User._default_manager.filter(username=username).exists() and not cleaned.get("password"):
            self.add_error("password", "A new user needs a password.")
        members = Membership.objects.filter(organization=self.instance.organization_id, user__username=username)
        if members.exists():
            self.add_error("username", "This person is already a member.")
        return cleaned


@admin.register(Membership)
class MembershipAdmin(ScopedModelAdmin):
    """The organization's members and their roles."""

    view_role = Role.MANAGER
    add_role = change_role = delete_role = Role.OWNER
    list_display = ["user", "role", "created_at"]
    ordering = ["user__username"]
    list_filter = ["role"]
    list_select_related = ["user"]
    search_fields = ["user__username", "user__email"]

    def get_form(self, request: Any, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Adding asks for a user name, changing for the role."""
        if obj is None:
            kwargs["form"] = NewMemberForm
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """The inputs of either form."""
        return ["username", "email", "password", "role"] if obj is None else ["user", "role", "created_at"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """A membership stays with its user."""
        return [] if obj is None else ["user", "created_at"]

    def save_model(self, request: Any, obj: Any, form: Any, change: bool) -> None:
        """The person is a member with this role, and the audit log says who decided it."""
        actor = user_actor(request.user.pk)
        if change:
            services.change_role(membership=obj, role=Role(obj.role), actor=actor)
            return
        stored = services.add_member(
            organization_id=obj.organization_id,
            username=form.cleaned_data["username"],
            role=Role(obj.role),
            actor=actor,
            password=form.cleaned_data["password"] or None,
            email=form.cleaned_data["email"],
        )
        obj.pk, obj.user_id = stored.pk, stored.user_id
        obj._state.adding = False

    def delete_model(self, request: Any, obj: Any) -> None:
        """The person is no member any more."""
        services.remove_member(membership=obj, actor=user_actor(request.user.pk))

    def delete_queryset(self, request: Any, queryset: Any) -> None:
        """None of them is a member any more."""
        for membership in queryset:
            self.delete_model(request, membership)


class ApiKeyForm(ScopedModelForm):
    """Name, rights and end of a key."""

    scopes = forms.MultipleChoiceField(
        choices=[(scope, scope) for scope in Scope.values], widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = ApiKey
        fields = ["name", "scopes", "expires_at"]

    def clean_scopes(self) -> list[str]:
        """Each scope once, in order."""
        return services.checked_scopes(self.cleaned_data["scopes"])


@admin.register(ApiKey)
class ApiKeyAdmin(ScopedModelAdmin):
    """Keys of the API: made here and shown once, then revoked here."""

    form = ApiKeyForm
    view_role = Role.MANAGER
    add_role = change_role = Role.OWNER
    delete_role = None
    audit_as = "api_key"
    list_display = ["name", "prefix", "shown_scopes", "last_used_at", "expires_at", "revoked_at"]
    ordering = ["-created_at"]
    search_fields = ["name", "prefix"]
    actions = ["revoke"]
    readonly_fields = ["prefix", "last_used_at", "revoked_at", "created_at"]

    @admin.display(description="scopes")
    def shown_scopes(self, key: ApiKey) -> str:
        """What the key may do."""
        return ", ".join(key.scopes)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """A new key has no past yet."""
        inputs = ["name", "scopes", "expires_at"]
        return inputs if obj is None else [*inputs, *self.readonly_fields]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A revoked key stays as it was."""
        return super().has_change_permission(request, obj) and getattr(obj, "revoked_at", None) is None

    def save_model(self, request: Any, obj: Any, form: Any, change: bool) -> None:
        """The key is stored hashed; its text waits for the page that shows it once."""
        if change:
            super().save_model(request, obj, form, change)
            return
        issued = services.issue_api_key(
            organization_id=obj.organization_id,
            name=obj.name,
            scopes=obj.scopes,
            actor=user_actor(request.user.pk),
            expires_at=obj.expires_at,
        )
        obj.pk = issued.id
        obj._state.adding = False
        request._issued_key = issued

    def response_add(self, request: Any, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        """The only page that ever shows the key."""
        context = {
            **self.admin_site.each_context(request),
            "title": "Copy this key now",
            "key": request._issued_key.text,
            "name": obj.name,
            "list_url": reverse("admin:accounts_apikey_changelist"),
        }
        return render(request, "admin/accounts/apikey/issued.html", context)

    @admin.action(description="Revoke the selected keys", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: Any) -> None:
        """The keys are refused everywhere within 5 s."""
        now = datetime.now(UTC)
        with transaction.atomic():
            revoked = sum(
                services.revoke_api_key(
                    organization_id=key.organization_id, key_id=key.pk, actor=user_actor(request.user.pk), now=now
                )
                for key in queryset
            )
        messages.success(request, f"Revoked {revoked} keys; they are refused within 5 seconds.")


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyScopedAdmin):
    """Who changed keys, roles and configuration."""

    view_role = Role.MANAGER
    list_display = ["created_at", "actor", "action", "target"]
    list_filter = ["action"]
    search_fields = ["actor", "action", "target"]
    date_hierarchy = "created_at"
    ordering = ["-created_at"]


def _uuid_or_404(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Http404 from None

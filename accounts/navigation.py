"""The admin's sidebar and its switch between organizations, for this person."""

from typing import Any

from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.urls import reverse

from accounts import selectors
from accounts.access import access_of
from accounts.models import Organization

# (app label, model) by group, in the order of the sidebar. A page that is registered and missing here is found under
# More, so that no page can be forgotten.
GROUPS: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...] = (
    (
        "Leads",
        (
            ("leads", "lead", "person_add"),
            ("leads", "contact", "contacts"),
            ("leads", "touch", "touch_app"),
            ("leads", "mergesuggestion", "merge"),
            ("leads", "consentrecord", "handshake"),
            ("leads", "suppression", "block"),
        ),
    ),
    ("Conversations", (("conversations", "conversation", "forum"),)),
    ("Reports", (("analytics", "leadstat", "speed"),)),
    (
        "Delivery",
        (
            ("channels_out", "message", "chat"),
            ("channels_out", "attempt", "send"),
            ("channels_out", "callback", "move_to_inbox"),
            ("channels_out", "unreachable", "phone_disabled"),
            ("channels_out", "crmsync", "sync"),
        ),
    ),
    (
        "Routing",
        (
            ("routing", "event", "bolt"),
            ("routing", "job", "work_history"),
            ("routing", "deadjob", "report"),
            ("routing", "jobhistory", "history"),
        ),
    ),
    (
        "Settings",
        (
            ("accounts", "organization", "domain"),
            ("leads", "leadsource", "input"),
            ("channels_out", "channel", "cell_tower"),
            ("channels_out", "messagetemplate", "description"),
            ("channels_out", "crmconnection", "hub"),
            ("channels_out", "notifysettings", "notifications"),
            ("conversations", "llmconnection", "smart_toy"),
            ("conversations", "greetingsettings", "waving_hand"),
            ("accounts", "membership", "group"),
            ("accounts", "apikey", "key"),
            ("accounts", "auditentry", "fact_check"),
            ("auth", "user", "manage_accounts"),
        ),
    ),
)
MAX_ORGANIZATIONS = 50


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """The groups of pages that the person may open; unfold asks for it on each page."""
    pages = {model._meta.label_lower: page for model, page in admin.site._registry.items()}
    groups = []
    for title, entries in GROUPS:
        items = []
        for app_label, model_name, icon in entries:
            page = pages.pop(f"{app_label}.{model_name}", None)
            if page is not None and page.has_module_permission(request):
                items.append(_item(page, icon))
        groups.append(_group(title, items))
    rest = [_item(page, "more_horiz") for page in pages.values() if page.has_module_permission(request)]
    return [group for group in [*groups, _group("More", rest)] if group["items"]]


def organization_switch(request: HttpRequest) -> list[dict[str, Any]]:
    """The organizations that the person may look at; unfold shows them under the site's title."""
    user = request.user
    if not isinstance(user, AbstractBaseUser):  # the login page
        return []
    organizations = list(selectors.organizations_of_user(user)[:MAX_ORGANIZATIONS])
    if len(organizations) < 2 and not access_of(request).is_superuser:
        return []
    current_id = access_of(request).current_id
    items = [_choice(row.name, str(row.pk), is_current=row.pk == current_id) for row in organizations]
    if access_of(request).is_superuser:
        items.insert(0, _choice("All organizations", "all", is_current=current_id is None))
    return items


def current_name(request: HttpRequest) -> str:
    """What is looked at, and in which time zone, for the line under the site's title."""
    access = access_of(request)
    if access.current_id is not None:
        row = Organization.objects.values_list("name", "timezone").filter(pk=access.current_id).first()
        return " · ".join(row) if row else ""
    return "All organizations" if access.is_superuser else ""


def _choice(title: str, target: str, *, is_current: bool) -> dict[str, Any]:
    icon = "radio_button_checked" if is_current else "radio_button_unchecked"
    return {"title": title, "icon": icon, "link": reverse("admin:accounts_organization_switch", args=[target])}


def _item(page: "ModelAdmin[Any]", icon: str) -> dict[str, Any]:
    meta = page.model._meta
    title = str(meta.verbose_name_plural)
    link = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")
    return {"title": title[:1].upper() + title[1:], "icon": icon, "link": link}


def _group(title: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"title": title, "separator": True, "items": items}

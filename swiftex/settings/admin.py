"""How the admin looks (django-unfold). What stands in it for whom: accounts/navigation.py."""

from typing import Any

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Swiftex",
    "SITE_HEADER": "Swiftex",
    "SITE_SUBHEADER": "accounts.navigation.current_name",
    "SITE_SYMBOL": "bolt",
    "SITE_URL": None,
    "SITE_DROPDOWN": "accounts.navigation.organization_switch",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": "accounts.navigation.sidebar",
    },
    # The search box would look into pages by Django's permissions, not by ours.
    "COMMAND": {"search_models": False, "show_history": False},
}
# A cell that begins like a formula is made text in every export.
IMPORT_EXPORT_ESCAPE_FORMULAE_ON_EXPORT = True

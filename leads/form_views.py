"""The pages of hosted forms, without a line of JavaScript in them, and the script that embeds one (docs/how-to)."""

import secrets
from datetime import datetime, timedelta
from math import ceil
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import cache_control
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods

from leads.services import capture_lead
from leads.sources import form as forms
from leads.sources.form import Filled, HostedForm
from leads.submission import InvalidSubmission
from swiftex import clock
from swiftex.observability.correlation import bind

_UNAVAILABLE_RETRY_S = 2
_ANSWERS = {
    "phone": "Please check the phone number",
    "email": "Please check the e-mail address",
}


# No cookie speaks for whoever sends the form, so there is nothing that a forged request could borrow; the origin is
# checked all the same, since a form belongs on its own page.
@csrf_exempt
@xframe_options_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def hosted_form(request: HttpRequest, key: str) -> HttpResponse:
    """GET shows the form; POST makes a lead of it and leads on to the thanks, or shows what is wrong beside it."""
    received_at = clock.now()
    form = forms.form_of(key)
    if form is None:
        raise Http404
    if request.method != "POST":
        filled = Filled({}, forms.click_ids_of(request.GET), has_consented=False, is_trapped=False)
        return _page(request, form, filled, token=forms.token_for(form, shown_at=received_at))
    if not _is_own_origin(request):
        return HttpResponse("This form can only be sent from its own page.\n", status=403, content_type="text/plain")
    with bind(organization_id=form.organization.id):
        return _receive(request, form, received_at)


@xframe_options_exempt
@require_GET
def thanks(request: HttpRequest, key: str) -> HttpResponse:
    """The page after a form was sent; inside a frame it tells the page around it."""
    form = forms.form_of(key)
    if form is None:
        raise Http404
    nonce = secrets.token_urlsafe(12)
    context = {"form": form, "is_embedded": _is_embedded(request), "nonce": nonce}
    return _with_policy(render(request, "forms/thanks.html", context), nonce)


@cache_control(public=True, max_age=3600)
@require_GET
def embed_script(request: HttpRequest) -> HttpResponse:
    """The script that puts a form into another page: <script async src=".../embed.js" data-form="acme.landing">."""
    content = render(request, "forms/embed.js", {"public_url": settings.PUBLIC_URL})
    return HttpResponse(content.content, content_type="text/javascript; charset=utf-8")


def _receive(request: HttpRequest, form: HostedForm, received_at: datetime) -> HttpResponse:
    posted = {name: value for name, value in request.POST.items() if isinstance(value, str)}
    filled = forms.read(form, posted, now=received_at)
    errors = forms.errors_of(form, filled)
    if errors:
        return _again(request, form, filled, errors)
    phone = filled.values.get("phone", "")
    wait_s = forms.seconds_to_wait(form, address=request.META.get("REMOTE_ADDR", ""), phone=phone)
    if wait_s:
        message = f"That was a lot at once. Please try again in {ceil(wait_s / 60)} minutes."
        return _again(request, form, filled, {"": message}, status=429, retry_after_s=ceil(wait_s))
    evidence = {"ip": request.META.get("REMOTE_ADDR", ""), "user_agent": request.headers.get("User-Agent", "")[:300]}
    try:
        capture_lead(forms.submission_of(form, filled, evidence=evidence), received_at=received_at)
    except InvalidSubmission as fault:
        return _again(request, form, filled, {fault.field: _in_words(form, fault)})
    except (OperationalError, InterfaceError):
        message = "We could not store your request just now. Nothing is lost on this page: please send it again."
        return _again(request, form, filled, {"": message}, status=503, retry_after_s=_UNAVAILABLE_RETRY_S)
    query = "?embed=1" if _is_embedded(request) else ""
    return HttpResponseRedirect(reverse("form-thanks", args=[form.key]) + query, status=303)


def _again(
    request: HttpRequest,
    form: HostedForm,
    filled: Filled,
    errors: dict[str, str],
    *,
    status: int = 422,
    retry_after_s: int | None = None,
) -> HttpResponse:
    """The form with what was typed and what is wrong. Whoever corrects one field is quick: time is not asked twice."""
    shown_at = clock.now() - timedelta(minutes=1)
    old_token = request.POST.get(forms.TOKEN, "")
    token = old_token if filled.is_trapped else forms.token_for(form, shown_at=shown_at)
    page = _page(request, form, filled, token=token, errors=errors, status=status)
    if retry_after_s is not None:
        page["Retry-After"] = str(retry_after_s)
    return page


def _page(
    request: HttpRequest,
    form: HostedForm,
    filled: Filled,
    *,
    token: str,
    errors: dict[str, str] | None = None,
    status: int = 200,
) -> HttpResponse:
    errors = dict(errors or {})
    shown = {spec.name for spec in form.fields} | {forms.CONSENT}
    # What is wrong with something that the page does not show is said at its top.
    on_top = [message for name, message in errors.items() if name not in shown]
    nonce = secrets.token_urlsafe(12)
    context: dict[str, Any] = {
        "form": form,
        "fields": [
            {"spec": spec, "value": filled.values.get(spec.name, ""), "error": errors.get(spec.name)}
            for spec in form.fields
        ],
        "click_ids": filled.click_ids,
        "has_consented": filled.has_consented,
        "consent_error": errors.get(forms.CONSENT),
        "errors_on_top": on_top,
        "has_errors": bool(errors),
        "honeypot": forms.HONEYPOT,
        "token_name": forms.TOKEN,
        "token": token,
        "action": request.path + ("?" + urlencode({"embed": 1}) if _is_embedded(request) else ""),
        "nonce": nonce,
    }
    return _with_policy(render(request, "forms/form.html", context, status=status), nonce)


def _with_policy(page: HttpResponse, nonce: str) -> HttpResponse:
    """Nothing on the page may load or send anything elsewhere; it may be framed by any page."""
    page["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors *"
    )
    page["Referrer-Policy"] = "same-origin"
    page["Cache-Control"] = "no-store"
    return page


def _in_words(form: HostedForm, fault: InvalidSubmission) -> str:
    if fault.code == "required" and fault.field == "phone":
        asks_both = {"phone", "email"} <= {spec.name for spec in form.fields}
        return "Please give a phone number" + (" or an e-mail address." if asks_both else ".")
    opening = _ANSWERS.get(fault.field)
    return f"{opening}: it is {fault.reason.removeprefix('is ')}." if opening else "Please check this."


def _is_own_origin(request: HttpRequest) -> bool:
    origin = request.headers.get("Origin")
    if origin is None:
        return request.headers.get("Sec-Fetch-Site", "same-origin") in ("same-origin", "none")
    return urlsplit(origin).netloc in (request.get_host(), urlsplit(settings.PUBLIC_URL).netloc)


def _is_embedded(request: HttpRequest) -> bool:
    return request.GET.get("embed") == "1"

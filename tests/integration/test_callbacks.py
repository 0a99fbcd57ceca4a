"""What providers post back: verified, stored once, in effect before the answer, folded whatever the order."""

import hashlib
import hmac
import itertools
import json
import random
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest
from django.db import connection, transaction
from django.test import Client
from twilio.request_validator import RequestValidator

from channels_out import senders
from channels_out.models import Attempt, Callback, Channel, Message, ReceiptRow, Unreachable
from channels_out.services import advancing, receipts
from leads.models import Contact, Lead, Suppression
from routing.models import Event
from sandbox.process import running_sandbox
from tests.integration.delivery_ground import make_ground

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def sandbox():
    with running_sandbox() as running:
        yield running


@pytest.fixture
def ground(sandbox, transactional_db):
    sandbox.reset()
    return make_ground(sandbox)


def meta_signature(body, secret):
    return "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex()


def post_whatsapp(ground, content, *, signature=None, channel=None, **headers):
    channel = channel or ground.whatsapp
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    signature = meta_signature(body, channel.credentials["app_secret"]) if signature is None else signature
    if signature:
        headers["X-Hub-Signature-256"] = signature
    path = f"/webhooks/whatsapp/{ground.organization.slug}.{channel.name}"
    return Client().post(path, body, content_type="application/json", headers=headers)


def post_twilio(ground, form, endpoint="sms", *, query="", signature=None, settings_url="http://127.0.0.1:8000"):
    path = f"/webhooks/twilio/{ground.organization.slug}.sms-main/{endpoint}" + (f"?{query}" if query else "")
    validator = RequestValidator(ground.sms.credentials["auth_token"])
    signature = validator.compute_signature(settings_url + path, form) if signature is None else signature
    headers = {"X-Twilio-Signature": signature} if signature else {}
    return Client().post(path, urlencode(form), content_type="application/x-www-form-urlencoded", headers=headers)


def envelope(ground, *values, number=None):
    number = number or ground.whatsapp.settings["phone_number_id"]
    metadata = {"display_phone_number": "15550001111", "phone_number_id": number}
    changes = [
        {"field": "messages", "value": {"messaging_product": "whatsapp", "metadata": metadata, **v}} for v in values
    ]
    return {"object": "whatsapp_business_account", "entry": [{"id": "444", "changes": changes}]}


def status(attempt, name, *, provider_id=None, code=None, with_ref=True):
    facts = {
        "id": provider_id or attempt.provider_id, "status": name, "recipient_id": "1",
        "timestamp": str(int(datetime.now(UTC).timestamp())),
    }  # fmt: skip
    if with_ref:
        facts["biz_opaque_callback_data"] = attempt.id.hex
    if code:
        facts["errors"] = [{"code": code, "title": "x"}]
    return facts


def text(lead, body, wamid="wamid.IN1", **more):
    stamp = str(int(datetime.now(UTC).timestamp()))
    message = {"from": lead.phone.lstrip("+"), "id": wamid, "timestamp": stamp, "type": "text", "text": {"body": body}}
    return {"contacts": [{"profile": {"name": "Kim"}, "wa_id": lead.phone.lstrip("+")}], "messages": [message | more]}


def fold():
    with transaction.atomic():
        return receipts.fold_carefully()


def attempt_of(delivered):
    return Attempt.objects.get(message=delivered.message_id)


# --- verification


def test_the_challenge_is_answered_for_the_right_token_only(ground):
    path = f"/webhooks/whatsapp/{ground.organization.slug}.wa-main"
    right = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": "verify-1"}

    assert Client().get(path, right).content == b"1158201444"
    for wrong in (right | {"hub.verify_token": "no"}, right | {"hub.verify_token": ""}, right | {"hub.mode": "x"}, {}):
        assert Client().get(path, wrong).status_code == 403
    assert Client().get("/webhooks/whatsapp/nobody.wa-main", right).status_code == 403


def test_a_callback_without_the_right_signature_leaves_nothing_behind(ground):
    other = make_ground(ground.sandbox)
    body = json.dumps(envelope(ground, text(ground.lead(), "hello"))).encode()
    secret = ground.whatsapp.credentials["app_secret"]
    right = meta_signature(body, secret)
    wrong = [
        "-", "sha256=", right[:-1], right.upper(), right.replace("sha256=", ""), f"{right},{right}",
        "sha1=" + hmac.digest(secret.encode(), body, hashlib.sha1).hex(),
        meta_signature(body, other.whatsapp.credentials["app_secret"]), meta_signature(body + b" ", secret),
        meta_signature(json.dumps(json.loads(body), indent=1).encode(), secret), "",
    ]  # fmt: skip

    answers = [post_whatsapp(ground, body, signature=signature).status_code for signature in wrong]

    assert answers == [401] * len(wrong)
    assert (Callback.objects.count(), Message.objects.count()) == (0, 0)


def test_a_channel_without_a_secret_refuses_everything(ground):
    Channel.objects.filter(pk=ground.whatsapp.pk).update(credentials={"access_token": "x"})
    Channel.objects.filter(pk=ground.sms.pk).update(credentials={})
    senders.forget()
    body = json.dumps(envelope(ground)).encode()

    for key in ("", "nobody", "None"):
        assert post_whatsapp(ground, body, signature=meta_signature(body, key)).status_code == 401
        form = {"MessageSid": "SM1", "From": "+1", "Body": "x"}
        signature = RequestValidator(key).compute_signature(
            f"http://127.0.0.1:8000/webhooks/twilio/{ground.organization.slug}.sms-main/sms", form
        )
        assert post_twilio(ground, form, signature=signature).status_code == 401
    assert Callback.objects.count() == 0


def test_the_former_secret_still_counts_while_it_is_replaced(ground):
    Channel.objects.filter(pk=ground.whatsapp.pk).update(
        credentials={"app_secret": "new", "previous_app_secret": "old", "access_token": "x"}
    )
    senders.forget()
    for number, secret in enumerate(("new", "old")):
        body = json.dumps({"object": "x", "n": number}).encode()
        assert post_whatsapp(ground, body, signature=meta_signature(body, secret)).status_code == 200


def test_twilio_signatures_are_over_the_public_address_and_the_form(ground, settings):
    settings.PUBLIC_URL = "https://hooks.example.test"
    form = {
        "MessageSid": "SM1",
        "From": "+15550001",
        "To": "+15550009999",
        "Body": "Hi & bye",
        "NumMedia": "0",
        "FromCity": "",
    }
    path = f"/webhooks/twilio/{ground.organization.slug}.sms-main/sms"
    right = RequestValidator(ground.sms.credentials["auth_token"]).compute_signature(settings.PUBLIC_URL + path, form)

    assert post_twilio(ground, form, signature=right + "x").status_code == 401
    assert post_twilio(ground, form, signature="").status_code == 401
    assert post_twilio(ground, form | {"Body": "Hi & bye!"}, signature=right).status_code == 401
    answer = post_twilio(ground, form, signature=right)

    assert (answer.status_code, answer["Content-Type"]) == (200, "text/xml")
    assert answer.content.endswith(b"<Response/>")
    assert Message.objects.get(direction="in").text == "Hi & bye"


@pytest.mark.parametrize(
    ("body", "status_code"),
    [(b"", 400), (b"[1]", 400), (b"{", 400), (b"[" * 100_000, 400), (b"\xff\xfe", 400), (b"x" * 3_000_001, 413)],
)
def test_a_signed_body_that_is_no_object_is_refused(ground, body, status_code):
    assert post_whatsapp(ground, body).status_code == status_code
    assert Callback.objects.count() == 0


def test_strange_content_is_kept_and_answered(ground):
    lead = ground.lead()
    strange = [
        {}, {"entry": None}, {"entry": [1, {"changes": "x"}]}, {"entry": [{"changes": [{"value": 7}]}]},
        envelope(ground, {"statuses": [{"id": 5, "status": ["x"]}, "no", {"id": "w", "status": "warp"}]}),
        envelope(ground, {"messages": [{"id": "wamid.S", "from": "1", "type": "interactive"}]}),
        envelope(ground, text(lead, "nul \x00 inside", wamid="wamid.N")),
        {"object": "x", "entry": [{"changes": [{"field": "flows", "value": {"new": True}}]}]},
    ]  # fmt: skip
    bodies = [json.dumps(content).encode() for content in strange]
    bodies.append(
        json.dumps(envelope(ground, text(lead, "lone", wamid="wamid.L"))).encode().replace(b"lone", b"\\ud83d")
    )

    assert [post_whatsapp(ground, body).status_code for body in bodies] == [200] * len(bodies)
    fold()

    assert Callback.objects.count() == len(bodies)
    assert Callback.objects.filter(folded_at=None).count() == 0
    assert set(Message.objects.filter(direction="in").values_list("provider_id", flat=True)) == {
        "wamid.S", "wamid.N", "wamid.L",
    }  # fmt: skip


# --- receipts


ORDERS = list(itertools.permutations(["sent", "delivered", "read"]))


@pytest.mark.parametrize("order", ORDERS)
def test_receipts_in_any_order_and_number_give_one_row(ground, order):
    lead = ground.lead()
    attempt = attempt_of(ground.deliver(lead))
    names = [name for name in order for _ in range(3)]
    random.Random(1).shuffle(names)

    for number, name in enumerate(names):
        post_whatsapp(ground, envelope(ground, {"statuses": [status(attempt, name)], "n": number}))
        if number % 4 == 0:
            fold()
    fold()

    message = Message.objects.get(pk=attempt.message_id)
    assert message.status == "read"
    assert message.sent_at
    assert message.delivered_at
    assert message.read_at
    assert ReceiptRow.objects.count() == 3


def test_the_same_body_again_is_answered_and_does_nothing(ground):
    attempt = attempt_of(ground.deliver(ground.lead()))
    body = envelope(ground, {"statuses": [status(attempt, "delivered")]})

    assert [post_whatsapp(ground, body).status_code for _ in range(5)] == [200] * 5
    fold()

    assert Callback.objects.count() == 1
    assert Event.objects.filter(type="message.delivered").count() == 1


def test_a_receipt_before_our_own_commit_counts_when_the_answer_is_stored(ground):
    lead = ground.lead()
    attempt = attempt_of(ground.deliver(lead))
    provider_id = attempt.provider_id
    Attempt.objects.filter(pk=attempt.pk).update(state="sending", provider_id=None)
    Message.objects.filter(pk=attempt.message_id).update(status="sending", accepted_at=None)
    post_whatsapp(ground, envelope(ground, {"statuses": [status(attempt, "delivered", provider_id=provider_id)]}))
    fold()
    assert Message.objects.get(pk=attempt.message_id).status == "sending"

    Attempt.objects.filter(pk=attempt.pk).update(state="unknown")
    advancing.advance(organization_id=ground.organization.id, message_id=attempt.message_id)

    message = Message.objects.get(pk=attempt.message_id)
    assert (message.status, message.provider_id) == ("delivered", provider_id)
    assert ground.sent(lead, "whatsapp") == 1


def test_a_receipt_without_our_reference_waits_for_the_provider_id(ground):
    attempt = attempt_of(ground.deliver(ground.lead()))
    Attempt.objects.filter(pk=attempt.pk).update(provider_id=None)
    early = envelope(ground, {"statuses": [status(attempt, "delivered", with_ref=False)]})
    post_whatsapp(ground, early)
    fold()
    assert ReceiptRow.objects.get().attempt_id is None

    Attempt.objects.filter(pk=attempt.pk).update(provider_id=attempt.provider_id)
    fold()

    assert ReceiptRow.objects.get().attempt_id == attempt.id
    assert Message.objects.get(pk=attempt.message_id).status == "delivered"


def test_a_failed_receipt_after_a_200_sends_the_sms_once(ground):
    lead = ground.lead()
    attempt = attempt_of(ground.deliver(lead))
    for number in range(3):
        post_whatsapp(ground, envelope(ground, {"statuses": [status(attempt, "failed", code=131026)], "n": number}))
    fold()

    lead.refresh_from_db()
    assert (lead.greeting_state, Message.objects.get().status) == ("pending", "failed")
    assert ground.jobs("deliver_next").count() == 1
    for _ in range(2):
        advancing.advance(organization_id=ground.organization.id, message_id=attempt.message_id)

    lead.refresh_from_db()
    assert (lead.greeting_state, lead.greeting_channel) == ("greeted", "sms-main")
    assert (ground.sent(lead, "whatsapp"), ground.sent(lead, "twilio")) == (1, 1)
    assert Unreachable.objects.get().channel_kind == "whatsapp_cloud"
    assert ground.events(lead) == ["message.accepted", "message.failed", "message.accepted"]


def test_failed_after_delivered_is_not_a_failure(ground):
    lead = ground.lead()
    attempt = attempt_of(ground.deliver(lead))

    for name, code in (("delivered", None), ("failed", 131026)):
        post_whatsapp(ground, envelope(ground, {"statuses": [status(attempt, name, code=code)]}))
        fold()

    assert Message.objects.get().status == "delivered"
    assert ground.jobs("deliver_next").count() == 0


def test_an_old_failure_report_waits_for_a_person(ground, settings):
    settings.SWIFTEX_FALLBACK_MAX_AGE_S = 0.0
    lead = ground.lead()
    attempt = attempt_of(ground.deliver(lead))
    post_whatsapp(ground, envelope(ground, {"statuses": [status(attempt, "failed", code=131026)]}))
    fold()

    ended = advancing.advance(organization_id=ground.organization.id, message_id=attempt.message_id)

    assert (ended.state, ended.reason) == ("unresolved", "too_late")
    assert ground.sent(lead, "twilio") == 0


def test_twilio_receipts_carry_the_attempt_in_their_address(ground):
    lead = ground.lead()
    attempt = attempt_of(ground.deliver(lead, channel_names=("sms-main",)))
    form = {"MessageSid": attempt.provider_id, "MessageStatus": "delivered", "To": lead.phone, "AccountSid": "AC"}

    assert post_twilio(ground, form, "status", query=f"attempt={attempt.id.hex}").status_code == 204
    fold()

    assert Message.objects.get().status == "delivered"


def test_two_numbers_in_one_body_go_to_their_own_channels_and_strangers_to_quarantine(ground):
    second = Channel.objects.create(
        organization=ground.organization, name="wa-two", kind="whatsapp_cloud",
        credentials=dict(ground.whatsapp.credentials), settings={**ground.whatsapp.settings, "phone_number_id": "222"},
    )  # fmt: skip
    senders.forget()
    lead = ground.lead()
    mine, theirs, alien = (text(lead, "a", "wamid.A"), text(lead, "b", "wamid.B"), text(lead, "c", "wamid.C"))
    body = envelope(ground, mine)
    body["entry"] += envelope(ground, theirs, number="222")["entry"] + envelope(ground, alien, number="999")["entry"]

    assert post_whatsapp(ground, body).status_code == 200

    stored = dict(Message.objects.filter(direction="in").values_list("provider_id", "channel__name"))
    assert stored == {"wamid.A": "wa-main", "wamid.B": second.name}
    assert Callback.objects.get().quarantine == "unknown_phone_number_id"


def test_a_receipt_never_touches_another_organizations_attempt(ground):
    other = make_ground(ground.sandbox)
    theirs = attempt_of(other.deliver(other.lead()))

    post_whatsapp(ground, envelope(ground, {"statuses": [status(theirs, "failed", code=131026)]}))
    fold()

    assert Message.objects.get(pk=theirs.message_id).status == "accepted"


def test_a_late_receipt_clears_up_what_was_left_to_a_person(ground):
    lead = ground.lead()
    ground.sandbox.add_rule("twilio", to=lead.phone, fault="drop", statuses=[])
    delivered = ground.deliver(lead, channel_names=("sms-main",), unknown_wait_s=0.0)
    ended = advancing.advance(organization_id=ground.organization.id, message_id=delivered.message_id)
    assert ended.state == "unresolved"
    attempt = attempt_of(delivered)

    form = {"MessageSid": "SMlate", "MessageStatus": "delivered", "To": lead.phone, "AccountSid": "AC"}
    post_twilio(ground, form, "status", query=f"attempt={attempt.id.hex}")
    fold()
    assert ground.jobs("settle_message").count() == 1
    advancing.advance(organization_id=ground.organization.id, message_id=delivered.message_id)

    message = Message.objects.get()
    assert (message.status, message.provider_id) == ("delivered", "SMlate")
    assert Lead.objects.get(pk=lead.pk).greeting_state == "greeted"


def test_a_message_that_ended_is_not_ended_again(ground):
    lead = ground.lead()
    ground.sandbox.add_rule("whatsapp", to=lead.phone, fault="error", error_code=131026)
    first = ground.deliver(lead, channel_names=("wa-main",))

    again = ground.deliver(lead, channel_names=("wa-main",))

    assert (first.state, again.state) == ("failed", "failed")
    assert ground.events(lead) == ["message.failed", "message.failed"]


# --- inbound


def test_an_answer_is_stored_once_with_its_lead(ground):
    lead = ground.lead()
    for number in range(3):
        post_whatsapp(ground, envelope(ground, text(lead, "Tomorrow at ten?")) | {"n": number})

    message = Message.objects.get(direction="in")
    assert (message.text, message.lead_id, message.contact_id, message.status) == (
        "Tomorrow at ten?", lead.id, lead.contact_id, "received",
    )  # fmt: skip
    event = Event.objects.get(type="message.received")
    assert (event.data["is_stop"], event.correlation_id) == (False, lead.id)


@pytest.mark.parametrize("words", ["STOP", "stop!!", "s t o p", "बंद करो", "Arrêt"])
def test_stop_is_in_effect_before_the_provider_hears_200(ground, words):
    lead = ground.lead()

    post_whatsapp(ground, envelope(ground, text(lead, words)))

    contact = Contact.objects.get(pk=lead.contact_id)
    assert contact.opted_out_at is not None
    assert Suppression.objects.count() >= 1
    assert Event.objects.get(type="message.received").data["is_stop"] is True
    delivered = ground.deliver(lead)
    assert (delivered.state, delivered.reason) == ("suppressed", "opted_out")
    assert ground.sandbox.ledger(to=lead.phone) == []


def test_stop_by_button_and_by_preference_count_and_start_takes_it_back(ground):
    lead = ground.lead()
    button = {"type": "button", "button": {"payload": "Stop promotions", "text": "Stop promotions"}}
    post_whatsapp(ground, envelope(ground, text(lead, "", "wamid.1", **button)))
    assert Contact.objects.get(pk=lead.contact_id).opted_out_at is not None

    post_whatsapp(ground, envelope(ground, text(lead, "START", "wamid.2")))
    assert Contact.objects.get(pk=lead.contact_id).opted_out_at is None

    wish = {"wa_id": lead.phone.lstrip("+"), "category": "marketing_messages", "value": "stop", "timestamp": 1}
    post_whatsapp(ground, envelope(ground, {"user_preferences": [wish]}))
    assert Contact.objects.get(pk=lead.contact_id).opted_out_at is not None


def test_yes_from_who_never_opted_out_is_an_answer(ground):
    lead = ground.lead()

    post_whatsapp(ground, envelope(ground, text(lead, "YES")))

    assert Event.objects.get(type="message.received").data["is_start"] is False
    assert Message.objects.get(direction="in").text == "YES"


def test_a_stop_by_sms_holds_for_whatsapp(ground):
    lead = ground.lead()
    form = {"MessageSid": "SM9", "From": lead.phone, "To": "+15550009999", "Body": "Stop", "OptOutType": "STOP"}

    post_twilio(ground, form)

    assert ground.deliver(lead).reason == "opted_out"


def test_a_stranger_becomes_a_contact_and_a_hidden_number_is_known_by_its_id(ground):
    hidden = {
        "contacts": [{"profile": {"name": "Ada"}, "user_id": "US.134"}],
        "messages": [
            {
                "id": "wamid.H",
                "from_user_id": "US.134",
                "timestamp": "1767225600",
                "type": "text",
                "text": {"body": "hi"},
            }
        ],
    }

    post_whatsapp(ground, envelope(ground, hidden))

    contact = Contact.objects.get(name="Ada")
    assert contact.phone == ""
    assert contact.identities.get().kind == "bsuid"
    assert Message.objects.get(direction="in").contact_id == contact.id


def test_a_failed_insert_leaves_nothing_and_the_repeat_is_taken(ground):
    lead = ground.lead()
    body = envelope(ground, text(lead, "hello"))
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE channels_out_contactwindow RENAME TO gone")
    try:
        with pytest.raises(Exception, match="contactwindow"):
            post_whatsapp(ground, body)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE gone RENAME TO channels_out_contactwindow")
    assert (Callback.objects.count(), Message.objects.count()) == (0, 0)

    assert post_whatsapp(ground, body).status_code == 200
    assert Message.objects.filter(direction="in").count() == 1


def test_the_sandbox_and_the_product_agree_on_the_wire(ground, live_server, settings):
    settings.PUBLIC_URL = live_server.url
    wired = make_ground(ground.sandbox, callback_base=live_server.url)
    wired.sandbox.add_rule(
        "whatsapp", account=wired.whatsapp.settings["phone_number_id"], status_delay_ms=1, status_gap_ms=1
    )
    lead = wired.lead()
    delivered = wired.deliver(lead)
    attempt = attempt_of(delivered)

    wired.sandbox.wait_for(lambda s: len([c for c in s.callbacks(message_id=attempt.provider_id) if c["status"]]) >= 2)
    answers = wired.sandbox.whatsapp_inbound(wired.whatsapp.settings["phone_number_id"], lead.phone, "thanks", copies=2)
    sms = wired.sandbox.twilio_inbound(wired.sms.settings["account_sid"], lead.phone, "by sms", to="+15550009999")
    fold()

    assert [answer["status"] for answer in answers + sms] == [200, 200, 200]
    assert Message.objects.get(pk=delivered.message_id).status == "delivered"
    assert sorted(Message.objects.filter(direction="in").values_list("text", flat=True)) == ["by sms", "thanks"]
    assert Lead.objects.get(pk=lead.pk).greeting_state == "greeted"

"""An organization with a WhatsApp number, an SMS number and a lead, against a sandbox; for tests of delivery."""

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

from accounts.models import Organization
from channels_out import senders
from channels_out.models import Channel, MessageTemplate
from channels_out.services import DeliveryOrder, deliver
from leads.models import Contact, Identity, Lead, LeadSource
from routing.models import Event, Job

_numbers = count(1)
BODY = "Hi {{first_name}}, thank you for your enquiry. {{ai_line}} Reply here."


@dataclass
class Ground:
    sandbox: object
    organization: Organization
    whatsapp: Channel
    sms: Channel
    template: MessageTemplate
    source: LeadSource
    phones: list[str] = field(default_factory=list)

    def lead(self, *, phone=None, **columns):
        number = next(_numbers)
        phone = phone or f"+9198{number:08d}"
        contact = Contact.objects.create(
            organization=self.organization,
            name="Kim Lee",
            first_name="Kim",
            phone=phone,
            email=f"k{number}@example.com",
        )
        Identity.objects.create(organization=self.organization, kind="phone", value=phone, contact=contact)
        now = datetime.now(UTC)
        return Lead.objects.create(
            organization=self.organization, contact=contact, source=self.source, phone=phone, received_at=now,
            greeting_asked_at=now, **columns,
        )  # fmt: skip

    def order(self, lead, **changes):
        values = {
            "organization_id": self.organization.id,
            "obligation": "greeting",
            "obligation_key": f"greeting:{lead.id}",
            "lead_id": lead.id,
            "contact_id": lead.contact_id,
            "conversation_id": uuid.uuid4(),
            "phone": lead.phone,
            "channel_names": ("wa-main", "sms-main"),
            "template_name": "lead_hello",
            "text": "When suits you?",
            "parameters": {"first_name": "Kim"},
            "text_source": "model",
            "received_at": lead.received_at,
            "unknown_wait_s": 0.3,
        }
        return DeliveryOrder(**(values | changes))

    def deliver(self, lead, **changes):
        return deliver(self.order(lead, **changes))

    def sent(self, lead, provider):
        """How many messages the provider really took for this person."""
        accepted = self.sandbox.accepted().get(lead.phone.lstrip("+"), {})
        return accepted.get(provider, {}).get("count", 0)

    def events(self, lead):
        return list(
            Event.objects.filter(organization=self.organization, correlation_id=lead.id)
            .order_by("recorded_at", "id")
            .values_list("type", flat=True)
        )

    def jobs(self, kind):
        return Job.objects.filter(organization=self.organization, kind=kind)


def make_ground(sandbox, *, callback_base="http://127.0.0.1:1", speed=1000):
    slug = f"org-{uuid.uuid4().hex[:10]}"
    organization = Organization.objects.create(slug=slug, name="Acme Loans")
    number = uuid.uuid4().int % 10**12
    settings = {
        "base_url": sandbox.whatsapp_url, "api_version": "v23.0", "phone_number_id": str(number),
        "waba_id": "444", "display_phone_number": "+15550001111",
    }  # fmt: skip
    whatsapp = Channel.objects.create(
        organization=organization, name="wa-main", kind="whatsapp_cloud", messages_per_second=speed, settings=settings,
        credentials={"access_token": "wa-token", "app_secret": f"secret-{slug}", "verify_token": "verify-1"},
    )  # fmt: skip
    sid = f"AC{uuid.uuid4().hex}"
    sms = Channel.objects.create(
        organization=organization, name="sms-main", kind="twilio_sms", messages_per_second=speed,
        settings={"base_url": sandbox.twilio_url, "account_sid": sid, "from_number": "+15550009999"},
        credentials={"auth_token": f"token-{slug}"},
    )  # fmt: skip
    template = MessageTemplate.objects.create(
        organization=organization, name="lead_hello", parameters=["first_name", "ai_line"], body=BODY
    )
    source = LeadSource.objects.create(organization=organization, key="website")
    sandbox.whatsapp_sender(
        settings["phone_number_id"], callback_url=f"{callback_base}/webhooks/whatsapp/{slug}.wa-main",
        app_secret=f"secret-{slug}", access_token="wa-token", waba_id="444", verify_token="verify-1",
        templates=[{"name": "lead_hello", "language": "en_US", "parameters": ["first_name", "ai_line"], "body": BODY}],
    )  # fmt: skip
    sandbox.twilio_sender(
        sid, callback_url=f"{callback_base}/webhooks/twilio/{slug}.sms-main/sms", auth_token=f"token-{slug}",
        from_number="+15550009999",
    )  # fmt: skip
    senders.forget()
    return Ground(sandbox, organization, whatsapp, sms, template, source)

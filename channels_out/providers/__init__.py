"""The kinds of senders that can send."""

from channels_out.providers.base import Provider
from channels_out.providers.twilio_sms import TwilioSms
from channels_out.providers.whatsapp_cloud import WhatsAppCloud

PROVIDERS: dict[str, Provider] = {provider.kind: provider for provider in (WhatsAppCloud(), TwilioSms())}

"""A model for an organization that has no account anywhere: the same lead always gets the same sentence."""

import zlib
from dataclasses import dataclass

from conversations.llm.base import Answer, Ask

SENTENCES = (
    "We have your request in front of us and can answer your questions right away.",
    "One of us is reading your request now and will help you with the next step.",
    "We are glad you got in touch, and we are ready when you are.",
    "Tell us what matters most to you and we will start from there.",
)


@dataclass(frozen=True, slots=True)
class ScriptedModel:
    """Answers at once and in English, without a network."""

    def complete(self, ask: Ask) -> Answer:
        """One of a few fixed sentences, chosen by the words asked with."""
        return Answer(text=SENTENCES[zlib.crc32(ask.user.encode()) % len(SENTENCES)], finish_reason="stop")

"""Pure: a plausible first line to a lead, made from what the prompt says about them."""

import re
import zlib

# What the enquiry is about, by words that give it away; the first that is found counts.
_TOPICS = (
    ("home loan", r"\b(home loan|mortgage|flat|apartment|house)\b"),
    ("car loan", r"\b(car|vehicle|auto loan)\b"),
    ("business loan", r"\b(business|shop|working capital|restaurant|bakery)\b"),
    ("education loan", r"\b(tuition|university|degree|stud(y|ies)|course)\b"),
    ("refinancing", r"\b(refinanc\w*|lower rate|consolidat\w*)\b"),
    ("solar installation", r"\bsolar\b"),
    ("insurance cover", r"\binsurance\b"),
    ("loan", r"\b(loan|credit|borrow\w*)\b"),
)
_WITH_TOPIC = (
    "We saw your question about the {topic} and have someone who knows it well ready for you.",
    "Your {topic} enquiry has just reached our team, and we are looking at it now.",
    "We would be glad to talk through your {topic} options at a time that suits you.",
    "A colleague who handles the {topic} side is reading your request right now.",
)
_WITHOUT_TOPIC = (
    "Your request has just reached our team, and a person is reading it now.",
    "We would be glad to hear a little more about what you have in mind.",
    "Someone who can help is already looking at what you sent us.",
)


def greeting_line(prompt: str, *, seed: int) -> str:
    """One sentence in English, the same for the same prompt and seed.

    The topic is looked for where the prompt keeps what the person said (a line of JSON, or lines with a label): the
    instructions around it name the trade as well.
    """
    facts = _facts(prompt)
    choice = zlib.crc32(f"{seed}:{prompt}".encode("utf-8", "replace"))
    for topic, pattern in _TOPICS:
        if re.search(pattern, facts, re.IGNORECASE):
            return _WITH_TOPIC[choice % len(_WITH_TOPIC)].format(topic=topic)
    return _WITHOUT_TOPIC[choice % len(_WITHOUT_TOPIC)]


def _facts(prompt: str) -> str:
    said = re.findall(r'"(?:their_message|asked_about|message|campaign)": "((?:[^"\\]|\\.)*)"', prompt)
    said += re.findall(r"(?im)^(?:message|campaign|request|enquiry)\W+(.+)$", prompt)
    return "\n".join(said) if said else prompt

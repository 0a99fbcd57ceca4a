# ruff: noqa: RUF001 - letters and marks of other scripts are what this file is about
"""The guard: what may reach a person, and the first reason why not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations.engine.guard import GuardRules, clean, dominant_script, judge

INSTRUCTIONS = "You write the first line to a person who just asked Acme about a loan. One sentence, warm, no promises."
RULES = GuardRules(max_chars=300, script="LATIN", canaries=("kestrel-4471", "lead-facts"), instructions=INSTRUCTIONS)


@pytest.mark.parametrize(
    ("answer", "sent"),
    [
        ("We have your request and will call you soon.", "We have your request and will call you soon."),
        ("  Thanks for\n\nwriting\tto us!  ", "Thanks for writing to us!"),
        ('"Happy to help you with this."', "Happy to help you with this."),
        ("“Happy to help you with this.”", "Happy to help you with this."),
        ("Shall we talk at 10:30 or within 24 hours?", "Shall we talk at 10:30 or within 24 hours?"),
        ("We are open 9 a.m. to 5 p.m. in the U.S. today.", "We are open 9 a.m. to 5 p.m. in the U.S. today."),
        ("Glad you wrote, we will be with you shortly 😊", "Glad you wrote, we will be with you shortly 😊"),
        ("Happy to help with your garage (built 2019).", "Happy to help with your garage (built 2019)."),
        ("Ça tombe bien, nous sommes là pour vous aider…", "Ça tombe bien, nous sommes là pour vous aider…"),
        ("Zero\u200bwidth and bidi\u202e marks are gone.", "Zerowidth and bidi marks are gone."),
        ("Of course you can reach us any time!", "Of course you can reach us any time!"),
    ],
)
def test_a_fit_answer_is_sent_cleaned(answer, sent):
    verdict = judge(answer, finish_reason="stop", rules=RULES)

    assert (verdict.text, verdict.reason) == (sent, None)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (None, "empty"),
        ("", "empty"),
        (" \n\t ", "empty"),
        ("Hi!", "empty"),
        ('""', "empty"),
        ("We will be right with you. " * 20, "too_long"),
        ("We will be right with", "cut_off"),
        ("We will be right with you,", "cut_off"),
        ("We will be right with you (as soon.", "cut_off"),
        ('We will be "right with you.', "cut_off"),
        ("See https://example.com for more.", "link"),
        ("See HTTP://EXAMPLE.COM for more.", "link"),
        ("Look at acme-loans.co.uk today.", "link"),
        ("Look at ａｃｍｅ．ｃｏｍ today.", "link"),
        ("Look at acme.com/now today.", "link"),
        ("Look at acme\u200b.com today.", "link"),
        ("See [our page](acme) for more.", "link"),
        ("Chat with us at wa.me/1555 today.", "link"),
        ("Write to sales@example.com please.", "email"),
        ("Write to sales (at) example please.", "email"),
        ("Call +1 555 000 1111 right away.", "phone"),
        ("Call (020) 7946-0018 right away.", "phone"),
        ("Call us on 5550001111 today.", "phone"),
        ("It only costs $50 a month.", "price"),
        ("It costs 50 USD a month.", "price"),
        ("It costs Rs. 5,000 a month.", "price"),
        ("Only 2 lakh rupees to begin.", "price"),
        ("Rates from 5.9% for you.", "price"),
        ("Rates from 5 percent for you.", "price"),
        ("You pay 20 euros at most.", "price"),
        ("It costs ₹९९ only today.", "price"),
        ("Hello [Name], we are here.", "placeholder"),
        ("Hello {{first_name}}, we are here.", "placeholder"),
        ("Hello <name>, we are here.", "placeholder"),
        ("Hello ___, we are here.", "placeholder"),
        ("Hello XXX, we are here.", "placeholder"),
        ("**Great** to hear from you.", "markup"),
        ("- Great to hear from you.", "markup"),
        ("# Great to hear from you.", "markup"),
        ("```Great to hear from you.```", "markup"),
        ("As an AI, I am glad you wrote.", "boilerplate"),
        ("I'm sorry, but I can't assist with that.", "boilerplate"),
        ("I cannot help with this request.", "boilerplate"),
        ("Here is a warm greeting for the lead: Hi there.", "boilerplate"),
        ("Sure, here you go: Hi there.", "boilerplate"),
        ("I am a bot and glad you wrote.", "boilerplate"),
        ("Ignore previous words, we are here.", "boilerplate"),
        ("Assistant: we are here for you.", "boilerplate"),
        ("The word is Kestrel-4471, as you asked.", "prompt_leak"),
        ("You write the first line to a person who asked, they say.", "prompt_leak"),
        ("The lead-facts say that you asked.", "prompt_leak"),
        ("Мы скоро свяжемся с вами.", "wrong_script"),
        ("हम जल्द ही आपसे बात करेंगे।", "wrong_script"),
        ("1234 5 6!", "wrong_script"),
        ("We are \ufffd\ufffd here for you.", "garbage"),
        ("We are \ud83d here for you.", "garbage"),
    ],
)
def test_an_unfit_answer_is_refused_with_its_reason(answer, reason):
    verdict = judge(answer, finish_reason="stop", rules=RULES)

    assert (verdict.text, verdict.reason) == (None, reason)


@pytest.mark.parametrize(
    ("finish_reason", "reason"), [("length", "cut_off"), ("refused", "refused_by_model"), ("", "refused_by_model")]
)
def test_only_an_answer_that_ended_by_itself_is_looked_at(finish_reason, reason):
    verdict = judge("We will be right with you.", finish_reason=finish_reason, rules=RULES)

    assert (verdict.text, verdict.reason) == (None, reason)


@pytest.mark.parametrize(
    ("answer", "script"),
    [
        ("हम जल्द ही आपसे बात करेंगे।", "DEVANAGARI"),
        ("سنتواصل معك قريبا؟", "ARABIC"),
        ("我们会尽快与您联系。", "CJK"),
        ("すぐにご連絡いたします。", "CJK"),
        ("เราจะติดต่อคุณเร็ว ๆ นี้", "THAI"),
        ("Θα σας καλέσουμε σύντομα· εντάξει;", "GREEK"),
        ("Мы скоро свяжемся с вами.", "CYRILLIC"),
    ],
)
def test_another_script_passes_where_it_is_expected(answer, script):
    assert dominant_script(answer) == script
    assert judge(answer, finish_reason="stop", rules=GuardRules(max_chars=300, script=script)).text == answer
    assert judge(answer, finish_reason="stop", rules=GuardRules(max_chars=300, script="LATIN")).text is None


def test_without_letters_no_script_is_expected():
    assert dominant_script("123 !?") is None


@given(st.text(max_size=400))
def test_whatever_passes_fits_a_template_parameter(answer):
    verdict = judge(answer, finish_reason="stop", rules=RULES)

    assert (verdict.text is None) != (verdict.reason is None)
    if verdict.text is not None:
        assert verdict.text == " ".join(verdict.text.split())
        assert len(verdict.text) <= RULES.max_chars
        assert verdict.text.isprintable() or any(char in verdict.text for char in "\u200c\u200d")
        assert "@" not in verdict.text
        assert "://" not in verdict.text
        assert "$" not in verdict.text


@given(st.text(max_size=300))
def test_cleaning_twice_changes_nothing_more(text):
    once = clean(text)

    assert clean(once) == once


@given(
    st.sampled_from(
        ["https://evil.example/x", "evil.example.com", "a@b.co", "+44 20 7946 0018", "$5", "{{x}}", "[Name]"]
    ),
    st.sampled_from(["We are here. {} Talk soon.", "{} is what you want.", "Look here, {}, and talk to us."]),
)
def test_a_planted_address_price_or_placeholder_never_passes(planted, sentence):
    assert judge(sentence.format(planted), finish_reason="stop", rules=RULES).text is None

import pytest

from sandbox.providers.twilio import segment_count, wrong_form
from sandbox.providers.whatsapp_rules import filled_text, wrong_message, wrong_template, wrong_text
from sandbox.senders import Template
from sandbox.writer import greeting_line

HELLO = Template(
    name="lead_hello",
    language="en_US",
    parameters=["first_name", "ai_line"],
    body="Hi {{first_name}}. {{ai_line}} Bye.",
)


def template(*values, name="lead_hello"):
    parameters = [{"type": "text", **({"parameter_name": key} if key else {}), "text": text} for key, text in values]
    return {"name": name, "language": {"code": "en_US"}, "components": [{"type": "body", "parameters": parameters}]}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (template(("first_name", "Kim"), ("ai_line", "We saw it.")), None),
        (template(("first_name", "Kim")), 132000),
        (template(("first_name", "Kim"), ("line", "x")), 132012),
        (template((None, "Kim"), ("ai_line", "x")), 132012),
        (template(("first_name", "Kim"), ("ai_line", "a\nb")), 132008),
        (template(("first_name", "Kim"), ("ai_line", "a     b")), 132008),
        (template(("first_name", "Kim"), ("ai_line", " ")), 132008),
        (template(("first_name", "Kim"), ("ai_line", "x" * 1100)), 132005),
    ],
)
def test_template_parameters(content, code):
    wrong = wrong_template(content, HELLO, all_are_known=True)

    assert (wrong.code if wrong else None) == code


@pytest.mark.parametrize(
    ("known", "all_are_known", "code"),
    [
        (None, True, 132001),
        (None, False, None),
        (Template("t", "en_US", status="PAUSED"), True, 132015),
        (Template("t", "en_US", status="DISABLED"), True, 132016),
        (Template("t", "en_US", status="PENDING"), True, 132001),
        (Template("t", "en_US", parameter_format="POSITIONAL", parameters=["1"]), True, None),
    ],
)
def test_template_must_be_known_and_approved(known, all_are_known, code):
    wrong = wrong_template(template((None, "x"), name="t"), known, all_are_known=all_are_known)

    assert (wrong.code if wrong else None) == code


def test_filled_text_is_what_the_person_reads():
    values = template(("first_name", "Kim"), ("ai_line", "Yes."))["components"][0]["parameters"]

    assert filled_text(values, HELLO) == "Hi Kim. Yes. Bye."
    assert filled_text(values, None) == "Kim | Yes."


@pytest.mark.parametrize(
    ("message", "to", "code"),
    [
        ({"messaging_product": "whatsapp", "type": "text", "text": {}}, "15550002222", None),
        ({"type": "text", "text": {}}, "15550002222", 100),
        ({"messaging_product": "whatsapp", "type": "text", "text": {}}, "", 131008),
        ({"messaging_product": "whatsapp", "type": "text", "text": {}}, "12", 131009),
        ({"messaging_product": "whatsapp", "type": "fax"}, "15550002222", 131051),
        ({"messaging_product": "whatsapp", "type": "template"}, "15550002222", 131008),
    ],
)
def test_message_frame(message, to, code):
    wrong = wrong_message(message, to=to)

    assert (wrong.code if wrong else None) == code


@pytest.mark.parametrize(("body", "code"), [("hi", None), ("", 131008), (None, 131008), ("x" * 4097, 131009)])
def test_text_body(body, code):
    wrong = wrong_text({"body": body})

    assert (wrong.code if wrong else None) == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, None),
        ({"To": ""}, 21604),
        ({"To": "15550002222"}, 21211),
        ({"To": "+12"}, 21211),
        ({"From": ""}, 21603),
        ({"From": "", "MessagingServiceSid": "MG1"}, None),
        ({"Body": ""}, 21602),
        ({"Body": "x" * 1601}, 21617),
    ],
)
def test_twilio_form(changes, code):
    assert wrong_form({"To": "+15550002222", "From": "+15550009999", "Body": "hi", **changes}) == code


@pytest.mark.parametrize(
    ("text", "count"), [("a" * 160, 1), ("a" * 161, 2), ("é" * 160, 1), ("\u2019" + "a" * 69, 1), ("😀" + "a" * 70, 2)]
)
def test_sms_segments(text, count):
    assert segment_count(text) == count


@pytest.mark.parametrize("said", ["message: I need solar panels", '{"their_message": "solar, \\"cheap\\""}'])
def test_greeting_line_is_about_the_enquiry_and_the_same_each_time(said):
    prompt = f"You write for Acme, a loan company.\n{said}\n"

    line = greeting_line(prompt, seed=1)

    assert "solar installation" in line
    assert line == greeting_line(prompt, seed=1)
    assert "{" not in greeting_line("message: hello", seed=1)

import re
from datetime import timedelta

import pytest
from django.test import Client

from leads.models import ConsentRecord, Lead
from leads.sources import form as forms
from routing.models import Job
from swiftex import clock
from tests.integration.leads_setup import NOTHING, Setup, make_setup, make_source

PHONE = "+919876543210"


@pytest.fixture
def acme(transactional_db) -> Setup:
    return make_setup()


@pytest.fixture
def url(acme) -> str:
    return f"/forms/{acme.organization.slug}.landing"


def filled(url: str, *, seconds_ago: float = 10, **values) -> dict[str, str]:
    form = forms.form_of(url.rpartition("/")[2])
    token = forms.token_for(form, shown_at=clock.now() - timedelta(seconds=seconds_ago))
    return {"name": "Ann Lee", "phone": "98765 43210", "consent": "yes", "form_token": token} | values


def test_a_person_fills_in_the_form_and_is_thanked(acme, url) -> None:
    client = Client()

    page = client.get(url + "?utm_source=google&utm_campaign=spring&gclid=x%22%3E%3Cscript%3E&other=1")
    assert page.status_code == 200
    html = page.content.decode()
    assert "You may contact me about my request." in html
    assert "<script" not in html
    assert 'name="utm_source" value="google"' in html
    assert 'name="other"' not in html
    hidden = dict(re.findall(r'<input type="hidden" name="(utm_\w+)" value="(\w+)">', html))

    answer = client.post(url, filled(url, email="Ann@Example.com", message="Hi", **hidden))
    assert answer.status_code == 303
    thanks = client.get(answer["Location"])
    assert thanks.status_code == 200
    assert "Thank you" in thanks.content.decode()

    lead = Lead.objects.get()
    assert (lead.phone, lead.email, lead.message, lead.campaign) == (PHONE, "ann@example.com", "Hi", "spring")
    assert lead.utm == {"source": "google", "campaign": "spring"}
    evidence = ConsentRecord.objects.get().evidence
    assert (evidence["text"], evidence["version"]) == ("You may contact me about my request.", "2026-11")
    assert acme.counts()["greetings"] == 1


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({"consent": ""}, "consent", "Please tick the box"),
        ({"phone": "12"}, "phone", "not a possible number in IN"),
        ({"phone": "", "email": ""}, "phone", "Please give a phone number or an e-mail address"),
        ({"email": "ann"}, "email", "not an address"),
        ({"name": "x" * 201}, "name", "at most 200 characters"),
    ],
)
def test_what_is_wrong_is_said_beside_the_field_and_the_rest_is_kept(acme, url, values, field, words) -> None:
    answer = Client().post(url, filled(url, message="Keep <me>") | values)

    html = answer.content.decode()
    assert answer.status_code == 422
    assert re.search(rf'id="wrong_{field}">[^<]*{words}', html)
    assert "Keep &lt;me&gt;" in html
    assert f'aria-describedby="wrong_{field}"' in html
    assert acme.counts() == NOTHING


@pytest.mark.parametrize(
    "values",
    [{"company_fax": "555"}, {"seconds_ago": 0.5}, {"form_token": "forged"}, {"form_token": ""}],
    ids=["honeypot", "too fast", "forged", "no token"],
)
def test_a_script_is_thanked_and_quarantined(acme, url, values) -> None:
    answer = Client().post(url, filled(url, **values))

    assert answer.status_code == 303
    lead = Lead.objects.get()
    assert (lead.status, lead.greeting_state) == ("spam", "suppressed")
    assert not Job.objects.exists()


def test_a_token_of_another_form_does_not_fit(acme, url) -> None:
    make_source(acme.organization.id, key="other", kind="form")
    other = f"/forms/{acme.organization.slug}.other"

    Client().post(url, filled(url, form_token=filled(other)["form_token"]))

    assert Lead.objects.get().status == "spam"


def test_a_corrected_form_is_not_taken_for_a_script(acme, url) -> None:
    client = Client()
    wrong = client.post(url, filled(url, phone="12")).content.decode()
    token = re.search(r'name="form_token" value="([^"]+)"', wrong)[1]

    client.post(url, filled(url, form_token=token))

    assert Lead.objects.get().status == "new"


def test_one_phone_can_be_sent_so_often_and_no_more(acme, url) -> None:
    answers = [Client().post(url, filled(url)) for _ in range(forms.SUBMITS_PER_PHONE + 1)]

    assert [answer.status_code for answer in answers] == [303] * forms.SUBMITS_PER_PHONE + [429]
    assert int(answers[-1]["Retry-After"]) > 0
    assert "98765 43210" in answers[-1].content.decode()
    assert acme.counts()["leads"] == 1


def test_a_foreign_origin_is_refused(acme, url) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert Client().post(url, filled(url), headers=headers).status_code == 403
    assert Client().post(url, filled(url), headers={"Origin": "http://testserver"}).status_code == 303
    assert acme.counts()["leads"] == 1


def test_text_that_cannot_be_stored_is_cleaned(acme, url) -> None:
    answer = Client().post(url, filled(url, name="A\x00nn", message="\x00"))

    assert answer.status_code == 303
    assert Lead.objects.get().contact.name == "A�nn"


def test_fields_that_swiftex_does_not_know_are_attributes(acme) -> None:
    make_source(acme.organization.id, key="long", kind="form", fields=["email", "company_size"])
    url = f"/forms/{acme.organization.slug}.long"

    page = Client().get(url).content.decode()
    answer = Client().post(url, filled(url, email="a@example.com", company_size="50", attributes="x", status="closed"))

    assert "Company size" in page
    assert 'id="id_consent"' not in page
    assert answer.status_code == 303
    lead = Lead.objects.get()
    assert (lead.attributes, lead.status, lead.phone) == ({"company_size": "50"}, "new", "")


@pytest.mark.parametrize("key", ["nobody.landing", "{slug}.website", "{slug}.none", "{slug}", "x" * 300])
def test_what_is_no_form_is_not_found(acme, key) -> None:
    url = "/forms/" + key.format(slug=acme.organization.slug)

    assert Client().get(url).status_code == 404
    assert Client().post(url, {}).status_code == 404


def test_an_embedded_form_may_be_framed_and_tells_its_page(acme, url) -> None:
    client = Client()
    page = client.get(url + "?embed=1")
    assert "X-Frame-Options" not in page
    assert "frame-ancestors *" in page["Content-Security-Policy"]

    answer = client.post(url + "?embed=1", filled(url))
    assert "swiftex:form-sent" in client.get(answer["Location"]).content.decode()
    assert "swiftex:form-sent" not in client.get(answer["Location"].split("?")[0]).content.decode()
    script = client.get("/embed.js")
    assert script["Content-Type"].startswith("text/javascript")
    assert "data-form" in script.content.decode()

"""The hosted form, as people without JavaScript and people with a phone fill it in."""

import re

import pytest
from playwright.sync_api import expect

from leads.models import Lead
from tests.acceptance.shop import somebody, until
from tests.browser.desk import keep_picture

# Sooner than this nobody has filled in a form.
TYPING_MS = 2500


@pytest.fixture
def visitor(browser, stack):
    profile = browser.new_context(base_url=stack.base_url, java_script_enabled=False)
    yield profile.new_page()
    profile.close()


def assert_is_wrong(page, field, words):
    """The field is marked, and says why."""
    expect(page.locator(f"#wrong_{field}")).to_contain_text(words)
    assert page.locator(f"#id_{field}").get_attribute("aria-describedby") == f"wrong_{field}"


def test_without_javascript_mistakes_stand_beside_their_fields_and_a_lead_is_greeted(visitor, world):
    person = somebody()
    visitor.goto(f"/forms/{world.a.slug}.landing")
    expect(visitor.get_by_role("heading", name="Contact Acme Loans")).to_be_visible()
    visitor.get_by_label("Name").fill(person.name)
    visitor.get_by_label("Phone").fill("12")
    visitor.wait_for_timeout(TYPING_MS)
    visitor.get_by_role("button", name="Send").click()

    expect(visitor).to_have_title(re.compile("Please check"))
    assert_is_wrong(visitor, "consent", "tick the box")
    expect(visitor.get_by_label("Name")).to_have_value(person.name)

    visitor.get_by_label("You may contact me about my request.").check()
    visitor.get_by_role("button", name="Send").click()

    assert_is_wrong(visitor, "phone", "ossible number")
    expect(visitor.get_by_label("You may contact me about my request.")).to_be_checked()

    visitor.get_by_label("Phone").fill(person.phone)
    visitor.get_by_role("button", name="Send").click()

    expect(visitor.get_by_role("heading", name="Thank you!")).to_be_visible()
    lead = until(lambda: Lead.objects.filter(organization_id=world.a.organization_id, phone=person.phone).first())
    assert (lead.source.key, lead.consent) == ("landing", "granted")
    assert world.a.ended(lead).greeting_state == "greeted"
    assert world.a.received(person) == {"whatsapp": 1}


def test_the_form_fits_a_phone(browser, stack, world):
    profile = browser.new_context(
        base_url=stack.base_url, viewport={"width": 390, "height": 844}, device_scale_factor=2, is_mobile=True
    )
    page = profile.new_page()
    page.goto(f"/forms/{world.a.slug}.landing")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.get_by_role("button", name="Send").bounding_box()["height"] >= 44
    assert page.locator(".trap").bounding_box()["x"] < 0
    keep_picture(page, "form-phone")
    profile.close()


def test_a_form_that_nobody_made_is_not_found(visitor, world):
    answer = visitor.goto(f"/forms/{world.a.slug}.nothing")
    assert answer.status == 404

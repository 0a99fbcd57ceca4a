# ruff: noqa: RUF001 - full-width characters are what is tested
import uuid

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leads import identity
from leads.identity import NotAnIdentity, belongs_to, normal_email, normal_phone

REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)


@pytest.mark.parametrize(
    ("text", "region", "e164", "of"),
    [
        ("+919876543210", "US", "+919876543210", "IN"),
        ("98765 43210", "IN", "+919876543210", "IN"),
        ("098765-43210", "IN", "+919876543210", "IN"),
        ("919876543210", "IN", "+919876543210", "IN"),
        ("(0)98765-43210", "IN", "+919876543210", "IN"),
        ("９８７６５４３２１０", "IN", "+919876543210", "IN"),
        ("tel:+91-98765-43210", "US", "+919876543210", "IN"),
        ("whatsapp:+919876543210", "US", "+919876543210", "IN"),
        ("447911123456", "IN", "+447911123456", "GG"),
        ("00447911123456", "US", "+447911123456", "GG"),
        ("1-800-FLOWERS", "US", "+18003569377", "US"),
        ("415-555-2671 ext. 55", "US", "+14155552671", "US"),
        ("+15550001111", "IN", "+15550001111", "US"),
        ("+800 1234 5678", "IN", "+80012345678", None),
    ],
)
def test_a_number_as_people_write_it(text, region, e164, of) -> None:
    assert normal_phone(text, default_region=region) == identity.Phone(e164, of)


@pytest.mark.parametrize(
    "text", ["", " ", "123", "call me", "+", "+00", "@", "+91 98765 4321012345", "1" * 65, "\ud800"]
)
def test_what_is_no_number_is_refused_without_repeating_it(text) -> None:
    with pytest.raises(NotAnIdentity) as refused:
        normal_phone(text, default_region="IN")

    assert refused.value.field == "phone"
    assert not text.strip() or text.strip() not in str(refused.value).replace("+", "")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("Ann@Example.COM", "ann@example.com"),
        ("  a.b+c@gmail.com ", "a.b+c@gmail.com"),
        ("x@bücher.de", "x@xn--bcher-kva.de"),
        ("ａｎｎ@example.com", "ann@example.com"),
        ("o'hara@example.co.uk", "o'hara@example.co.uk"),
    ],
)
def test_an_address_has_one_form(text, address) -> None:
    assert normal_email(text) == address


@pytest.mark.parametrize(
    "text",
    ["", "ann", "@x.de", "a@", "a b@x.de", "a@localhost", "a@1.2.3.4", "a@-x.de", "a@x..de", ".a@x.de", "a..b@x.de",
     "a@x.de\nBcc: b@x.de", "a\x00@x.de", "a@\ud800.de", "a" * 65 + "@x.de", "a@" + "x" * 260 + ".de", "<a@x.de>"],
)  # fmt: skip
def test_what_is_no_address_is_refused(text) -> None:
    with pytest.raises(NotAnIdentity):
        normal_email(text)


@given(st.text(max_size=70), st.sampled_from(REGIONS))
def test_any_text_is_a_number_in_normal_form_or_refused(text, region) -> None:
    try:
        phone = normal_phone(text, default_region=region)
    except NotAnIdentity:
        return

    assert phone.e164.startswith("+")
    assert phone.e164[1:].isascii()
    assert phone.e164[1:].isdigit()
    assert len(phone.e164) <= 20
    assert normal_phone(phone.e164, default_region="IN") == phone


@given(st.sampled_from(REGIONS), st.sampled_from(REGIONS), st.sampled_from(["INTERNATIONAL", "E164", "RFC3966"]))
def test_one_number_has_one_form_however_and_wherever_it_is_written(of, default_region, form) -> None:
    number = phonenumbers.example_number(of)
    if number is None:
        return
    written = phonenumbers.format_number(number, getattr(phonenumbers.PhoneNumberFormat, form))

    phone = normal_phone(written, default_region=default_region)

    assert phone.e164 == phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    national = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
    assert normal_phone(national, default_region=of) == phone


@given(
    st.one_of(st.emails(), st.text(max_size=80), st.builds("{}@{}".format, st.text(max_size=20), st.text(max_size=20)))
)
def test_a_normal_address_is_its_own_normal_form(text) -> None:
    try:
        address = normal_email(text)
    except NotAnIdentity:
        return

    assert normal_email(address) == address
    assert normal_email(f" {address.upper()} ") == address or not address.isascii()
    assert len(address) <= 254


CANDIDATE, ANN, BO, CY = (uuid.UUID(int=number) for number in range(4))


@pytest.mark.parametrize(
    ("matched", "by_external_id", "contact_id", "also"),
    [
        ({"phone": CANDIDATE}, None, CANDIDATE, None),
        ({"phone": CANDIDATE, "email": CANDIDATE}, None, CANDIDATE, None),
        ({"phone": ANN, "email": CANDIDATE}, None, ANN, None),
        ({"phone": CANDIDATE, "email": BO}, None, BO, None),
        ({"phone": ANN, "email": BO}, None, ANN, BO),
        ({"phone": ANN, "email": ANN}, None, ANN, None),
        ({"phone": ANN}, CY, CY, ANN),
        ({"phone": CANDIDATE}, CY, CY, None),
        ({}, CY, CY, None),
    ],
)
def test_whose_submission_it_is(matched, by_external_id, contact_id, also) -> None:
    whose = belongs_to(matched=matched, by_external_id=by_external_id, candidate_id=CANDIDATE)

    assert (whose.contact_id, whose.also_matched_id) == (contact_id, also)

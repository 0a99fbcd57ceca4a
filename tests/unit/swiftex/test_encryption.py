import logging

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import FieldError, ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st

from swiftex import encryption

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.booleans() | st.none()))
def test_what_was_encrypted_comes_back_and_cannot_be_read_meanwhile(values):
    token = encryption.encrypt(values)

    assert encryption.decrypt(token) == values
    assert not any(len(text) > 5 and text in token for text in values.values() if isinstance(text, str))


def test_a_second_key_opens_what_the_first_one_wrote_and_rotation_moves_it(settings):
    settings.SWIFTEX_ENCRYPTION_KEYS = [OLD]
    token = encryption.encrypt({"token": "secret"})

    settings.SWIFTEX_ENCRYPTION_KEYS = [NEW, OLD]
    assert encryption.decrypt(token) == {"token": "secret"}
    rotated = encryption.rotate(token)

    settings.SWIFTEX_ENCRYPTION_KEYS = [NEW]
    assert encryption.decrypt(rotated) == {"token": "secret"}
    with pytest.raises(encryption.WrongEncryptionKey, match="SWIFTEX_ENCRYPTION_KEYS"):
        encryption.decrypt(token)
    with pytest.raises(encryption.WrongEncryptionKey):
        encryption.rotate(token)


@pytest.mark.parametrize("keys", [[], ["short"], ["x" * 44], [OLD, "wrong"]])
def test_keys_that_cannot_be_right_are_named(settings, keys):
    settings.SWIFTEX_ENCRYPTION_KEYS = keys

    with pytest.raises(ImproperlyConfigured, match="SWIFTEX_ENCRYPTION_KEYS"):
        encryption.encrypt({})


def test_decrypted_values_do_not_show_when_printed_or_logged(caplog):
    secrets = encryption.decrypt(encryption.encrypt({"token": "canary-value"}))

    logging.getLogger(__name__).error("look %s", secrets)

    assert "canary-value" not in f"{secrets} {secrets!r} {caplog.text}"
    assert secrets["token"] == "canary-value"


def test_the_field_has_no_form_and_cannot_be_searched():
    field = encryption.EncryptedJSONField()

    assert field.formfield() is None
    assert field.get_lookup("isnull") is not None
    for lookup in ("exact", "contains", "in"):
        with pytest.raises(FieldError):
            field.get_lookup(lookup)


def test_the_field_stores_a_token_and_reads_it_back():
    field = encryption.EncryptedJSONField()
    stored = field.get_prep_value({"password": "hidden-value"})

    assert "hidden-value" not in stored
    assert field.from_db_value(stored, None, None) == {"password": "hidden-value"}
    assert field.to_python(stored) == {"password": "hidden-value"}
    assert field.get_prep_value(None) is None
    assert field.from_db_value(None, None, None) is None

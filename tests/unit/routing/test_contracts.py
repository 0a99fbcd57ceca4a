import uuid

import pytest

from routing import contracts

A_LEAD = {
    "lead_id": str(uuid.uuid4()),
    "contact_id": str(uuid.uuid4()),
    "touch_id": str(uuid.uuid4()),
    "source": "website",
    "source_kind": "api",
    "campaign": None,
    "has_phone": True,
    "has_email": False,
    "decision": {"rule": "default", "version": 1, "queue": "greeting"},
    "received_at": "2026-11-21T10:00:00+00:00",
    "first_message_due_at": "2026-11-21T10:00:02+00:00",
}


def test_every_contract_is_a_valid_schema_that_says_what_it_is():
    listed = contracts.all_contracts()

    assert ("lead.created", 1) in listed
    for event_type, version in listed:
        schema = contracts.schema_of(event_type, version)
        assert schema["title"] == event_type
        assert schema["description"].endswith(".")
        with pytest.raises(contracts.ContractBroken):
            contracts.validate(type=event_type, version=version, data={})


def test_data_that_fits_passes_and_unknown_fields_are_ignored():
    contracts.validate(type="lead.created", version=1, data={**A_LEAD, "of_tomorrow": [1]})


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"lead_id": "17"}, "lead_id"),
        ({"received_at": "yesterday"}, "received_at"),
        ({"has_phone": "yes"}, "has_phone"),
        ({"decision": {"rule": "default", "version": 1, "queue": ""}}, "decision.queue"),
    ],
)
def test_a_fault_is_named_by_its_path_and_never_by_its_value(change, path):
    with pytest.raises(contracts.ContractBroken) as fault:
        contracts.validate(type="lead.created", version=1, data={**A_LEAD, **change})

    assert fault.value.path == path
    assert "yesterday" not in str(fault.value)


def test_a_type_or_version_without_a_contract_is_refused():
    with pytest.raises(contracts.UnknownContract):
        contracts.validate(type="lead.created", version=99, data=A_LEAD)
    with pytest.raises(contracts.UnknownContract):
        contracts.validate(type="lead.invented", version=1, data=A_LEAD)

import uuid

import pytest

from accounts.models import Organization


def make_organization(**columns):
    return Organization.objects.create(slug=f"org-{uuid.uuid4().hex[:12]}", name="An organization", **columns)


@pytest.fixture
def organization(transactional_db):
    return make_organization()


@pytest.fixture
def other_organization(transactional_db):
    return make_organization()

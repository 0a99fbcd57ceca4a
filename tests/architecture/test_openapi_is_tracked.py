"""docs/reference/openapi.yaml says what the API answers: a change of the API is a change of that file."""

from pathlib import Path

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiYamlRenderer
from drf_spectacular.validation import validate_schema

FILE = Path(__file__).parents[2] / "docs/reference/openapi.yaml"
AGAIN = "write it anew: .venv/bin/python manage.py spectacular --file docs/reference/openapi.yaml"


def test_the_tracked_description_is_valid_and_that_of_the_code():
    schema = SchemaGenerator().get_schema(request=None, public=True)

    validate_schema(schema)
    assert FILE.read_bytes() == OpenApiYamlRenderer().render(schema, renderer_context={}), AGAIN

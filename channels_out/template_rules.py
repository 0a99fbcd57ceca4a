"""What a provider would approve as a template. Pure."""

import re
from collections.abc import Sequence

_VARIABLE = re.compile(r"\{\{\s*([a-z0-9_]+)\s*\}\}")


def template_problem(body: str, parameters: Sequence[str], parameter_format: str) -> str | None:
    """Why the provider would not approve the template, or could not fill it; None when it could."""
    used = _VARIABLE.findall(body)
    wanted = list(parameters) if parameter_format == "named" else [str(n + 1) for n in range(len(parameters))]
    if sorted(set(used)) != sorted(set(wanted)):
        return "body and parameters name different variables"
    if len(set(parameters)) != len(parameters):
        return "parameters name one twice"
    if body.startswith("{{") or body.endswith("}}"):
        return "a body neither begins nor ends with a variable"
    return None

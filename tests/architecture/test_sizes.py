"""Functions stay short and files stay readable: nothing over 50 lines, nothing of 400 lines or more."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
PRODUCT = ("swiftex", "accounts", "routing", "leads", "channels_out", "conversations", "analytics", "sandbox")
LONGEST_FUNCTION = 50
LONGEST_FILE = 399


def sources():
    for package in PRODUCT:
        yield from (path for path in (ROOT / package).rglob("*.py") if "migrations" not in path.parts)


def test_functions_are_short():
    long = []
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > LONGEST_FUNCTION:
                    long.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name} has {lines} lines")

    assert long == []


def test_files_are_short():
    long = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in sources()}

    assert {path: count for path, count in long.items() if count > LONGEST_FILE} == {}

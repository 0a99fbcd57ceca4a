"""From the text of a configuration file to plain values: YAML without duplicate keys, and `${NAME}` filled in.

Every mistake is found before anything is refused, and each names its path, such as `channels[1].from_number`.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from accounts.config_sections import ConfigurationRefused, Mistake

_VARIABLE = re.compile(r"\$(\$)?\{([^}]*)(\})?")
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z", re.ASCII)
_MAX_NODES = 100_000


def read_document(text: str, environment: Mapping[str, str]) -> tuple[dict[str, Any], list[Mistake]]:
    """The file's values by top-level key, and what is wrong with its variables.

    With a mistake among them the values are good for finding more mistakes, and for nothing else.
    Raises ConfigurationRefused for a file that is no such mapping.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ConfigurationRefused(Mistake(_place(error), "is not YAML")) from None
    if not isinstance(root, yaml.MappingNode):
        raise ConfigurationRefused(Mistake("(file)", "must be a mapping of keys such as `organization:`"))
    mistakes = list(_structure_mistakes(root))
    if mistakes:
        raise ConfigurationRefused(*mistakes)
    document = _construct(root)
    return dict(substitute(document, environment, "", mistakes)), mistakes


def substitute(value: Any, environment: Mapping[str, str], path: str, mistakes: list[Mistake]) -> Any:
    """The value with each `${NAME}` in its texts replaced, in lists and mappings too; keys stay as they are.

    `$${` stands for `${`. A variable that is unset or empty, and a `${` that is no variable, is added to mistakes.
    What a variable holds is never looked at again, so it cannot bring in YAML or other variables.
    """
    if isinstance(value, str):
        return _substitute_text(value, environment, path, mistakes)
    if isinstance(value, list):
        return [substitute(inner, environment, f"{path}[{index}]", mistakes) for index, inner in enumerate(value)]
    if isinstance(value, dict):
        return {key: substitute(inner, environment, joined(path, key), mistakes) for key, inner in value.items()}
    return value


def joined(path: str, key: object) -> str:
    """The path of a key inside a path."""
    if isinstance(key, int) and not isinstance(key, bool):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else str(key)


def _substitute_text(text: str, environment: Mapping[str, str], path: str, mistakes: list[Mistake]) -> str:
    def replacement(match: re.Match[str]) -> str:
        is_escaped, name, is_closed = match[1], match[2], match[3]
        if is_escaped:
            return match[0][1:]
        if not is_closed or not _VARIABLE_NAME.match(name):
            mistakes.append(Mistake(path, "has a `${` that is no ${NAME}; write `$${` for the characters themselves"))
        elif not environment.get(name):
            mistakes.append(Mistake(path, f"the environment variable {name} is not set"))
        return environment.get(name) or name

    return _VARIABLE.sub(replacement, text)


def _structure_mistakes(root: yaml.Node) -> Iterator[Mistake]:
    """Keys that stand twice, keys that are no plain text, and a file blown up by aliases."""
    pending: list[tuple[str, yaml.Node, tuple[int, ...]]] = [("", root, ())]
    count = 0
    while pending:
        path, node, above = pending.pop()
        count += 1
        if count > _MAX_NODES or id(node) in above:
            yield Mistake(path or "(file)", "refers to itself or is too large")
            return
        inside = (*above, id(node))
        if isinstance(node, yaml.SequenceNode):
            pending.extend((f"{path}[{index}]", inner, inside) for index, inner in enumerate(node.value))
        elif isinstance(node, yaml.MappingNode):
            yield from _key_mistakes(path, node)
            pending.extend((joined(path, _key_of(key)), inner, inside) for key, inner in node.value)


def _key_mistakes(path: str, node: yaml.MappingNode) -> Iterator[Mistake]:
    seen: set[str] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag not in {"tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"}:
            yield Mistake(path or "(file)", f"has a key in line {key.start_mark.line + 1} that is no text")
            continue
        if key.value in seen:
            yield Mistake(joined(path, key.value), f"stands twice; again in line {key.start_mark.line + 1}")
        seen.add(key.value)


def _key_of(key: yaml.Node) -> str:
    return key.value if isinstance(key, yaml.ScalarNode) else "?"


def _construct(root: yaml.Node) -> Any:
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_document(root)
    except (yaml.YAMLError, ValueError, OverflowError):
        raise ConfigurationRefused(Mistake("(file)", "holds a value that YAML's plain types cannot be")) from None
    finally:
        loader.dispose()


def _place(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"(line {mark.line + 1}, column {mark.column + 1})" if mark is not None else "(file)"

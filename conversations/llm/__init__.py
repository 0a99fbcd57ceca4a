"""Language models: adapters without I/O, and the one function that asks one."""

from conversations.llm.anthropic import AnthropicAdapter
from conversations.llm.base import Adapter, Answer, Ask
from conversations.llm.openai import OpenAIAdapter
from conversations.llm.scripted import ScriptedModel
from swiftex.failures import TemporaryFailure
from swiftex.http import HttpFailure, NotSent, perform

__all__ = [
    "Adapter",
    "Answer",
    "AnthropicAdapter",
    "Ask",
    "Model",
    "OpenAIAdapter",
    "ScriptedModel",
    "complete",
    "model_of",
]

Model = OpenAIAdapter | AnthropicAdapter | ScriptedModel
MOST_ANSWER_BYTES = 256_000


def model_of(provider: str, *, base_url: str, api_key: str, model: str, max_tokens_field: str = "max_tokens") -> Model:
    """The adapter of a provider: openai, anthropic or scripted; raises ValueError for another."""
    if provider == "openai":
        return OpenAIAdapter(base_url=base_url, api_key=api_key, model=model, max_tokens_field=max_tokens_field)
    if provider == "anthropic":
        return AnthropicAdapter(base_url=base_url, api_key=api_key, model=model)
    if provider == "scripted":
        return ScriptedModel()
    raise ValueError("not a provider of language models")


def complete(model: Model, ask: Ask, *, deadline_s: float) -> Answer:
    """The model's answer, after one try of at most deadline_s.

    Raises TemporaryFailure or PermanentFailure; a call that got no answer is "unreachable" or "no_answer".
    """
    if isinstance(model, ScriptedModel):
        return model.complete(ask)
    try:
        response = perform(model.build(ask), deadline_s=deadline_s, max_bytes=MOST_ANSWER_BYTES)
    except NotSent as failure:
        raise TemporaryFailure("unreachable") from failure
    except HttpFailure as failure:
        raise TemporaryFailure("no_answer") from failure
    return model.read(response)

# ruff: noqa: RUF001 - letters and marks of other scripts are what this file is about
"""What a text written by a model may not say. Pure: no Django, no I/O, no clock."""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

SHORTEST_CHARS = 8
LEAKED_WORDS = 8
EXPECTED_SCRIPT_SHARE = 0.7

# Kept inside words of Indic, Persian and emoji sequences; every other invisible character is dropped.
_JOINERS = {"\u200c", "\u200d"}
_SENTENCE_ENDS = set(".!?…。！？।॥؟۔።။។།\u037e")
# Written without a mark at the end of a sentence.
_UNPUNCTUATED = {"THAI", "LAO"}
_CLOSERS = set("\"'”’»)]）」』")
_PAIRS = {"(": ")", "[": "]", "{": "}", "“": "”", "«": "»", "「": "」"}

_DIGITS = r"\d(?:[\d\s.,'’-]*\d)?"
_CURRENCY_WORDS = (
    r"usd|eur|gbp|inr|aed|chf|cad|aud|rs\.?|dollars?|cents|euros?|pounds?|rupees?|lakhs?|crores?|dirhams?|pesos?|reais"
)
_LINK = re.compile(
    r"\w+://|\bwww\.|\]\(|\bwa\.me\b|(?<![\w@])(?:[^\W_](?:[\w-]*[^\W_])?\.)+(?:[^\W\d_]{2,24})(?![\w])", re.IGNORECASE
)
_EMAIL = re.compile(r"\S@\S|\(at\)|\[at\]|\bdot com\b", re.IGNORECASE)
_PHONE = re.compile(r"(?:\+|\b)\d(?:[\s().-]{0,3}\d){6,}")
_PRICE = re.compile(
    rf"[$€£¥₹₽₺₩₦₱₫฿]|\d\s*%|\bpercent\b|\b(?:{_CURRENCY_WORDS})\s*{_DIGITS}|{_DIGITS}\s*(?:k\s*)?\b(?:{_CURRENCY_WORDS})\b",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(
    r"\{\{|\}\}|\$\{|%\(|\[[^\]\d]{2,40}\]|<[^>]{1,60}>|\{[^}]{1,40}\}|_{3,}|\bx{3,}\b|\blorem ipsum\b", re.IGNORECASE
)
_MARKUP = re.compile(r"```|\*\*|__|^#{1,6}\s|^\s*[-*•]\s|^\s*\d+[.)]\s|[<>{}|\\`]")
_BOILERPLATE = re.compile(
    r"\bas an? (?:ai|artificial|language model|assistant|chatbot)\b|\b(?:language model|chatgpt|openai|anthropic)\b"
    r"|\bi(?:'m| am) (?:an? )?(?:ai|a bot|a chatbot|a virtual assistant)\b"
    r"|\bi(?:'m| am)? (?:sorry|apologi[sz]e),?\b.{0,20}\b(?:can(?:'|no)t|unable|not able)\b"
    r"|\bi (?:can(?:'|no)t|won't|am unable to|am not able to) (?:assist|help|comply|fulfil|provide|write|do that)"
    r"|\bhere(?:'s| is| are) (?:an?|the|your|my|one|some)\b.{0,30}\b(?:line|message|sentence|greeting|draft|text)\b"
    r"|^(?:sure|certainly|of course|absolutely)[,!]? here\b"
    r"|\b(?:system prompt|my instructions|ignore (?:all |the )?previous)\b|^(?:assistant|system|user)\s*:",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class GuardRules:
    """What is expected of one answer.

    max_chars: longest text allowed after cleaning.  script: the writing expected ("LATIN", "DEVANAGARI", see
    `dominant_script`), None for any.  canaries: words that only the instructions hold.  instructions: the system text,
    of which no run of eight words may come back.
    """

    max_chars: int
    script: str | None = None
    canaries: tuple[str, ...] = ()
    instructions: str = ""


@dataclass(frozen=True, slots=True)
class GuardVerdict:
    """Either the cleaned text that may be sent, or the code of what is wrong with it."""

    text: str | None
    reason: str | None


def judge(answer: str | None, *, finish_reason: str, rules: GuardRules) -> GuardVerdict:
    """The cleaned answer when it may go to a person as it is, or the first reason why it may not.

    finish_reason: "stop" when the model ended by itself; anything else is refused.
    A refused text is never repaired: the approved fallback takes its place.
    Source: docs/reference/greeting.md, "The guard"; delivery.md row 18.
    """
    if finish_reason != "stop":
        return GuardVerdict(None, "cut_off" if finish_reason == "length" else "refused_by_model")
    text = clean(answer or "")
    if len(text) < SHORTEST_CHARS:
        return GuardVerdict(None, "empty")
    if len(text) > rules.max_chars:
        return GuardVerdict(None, "too_long")
    reason = _unusable(text, rules)
    return GuardVerdict(None, reason) if reason else GuardVerdict(text, None)


def clean(text: str) -> str:
    """The text on one line as a template parameter may hold it: no control or invisible character, single spaces.

    One pair of quotation marks around the whole is taken off. Cleaning twice changes nothing more.
    """
    kept = "".join(_visible(char) for char in text)
    line = " ".join(kept.split())
    while len(line) > 1 and (line[0], line[-1]) in {('"', '"'), ("“", "”"), ("«", "»"), ("'", "'")}:
        inner = line[1:-1].strip()
        if line[0] in inner or line[-1] in inner:
            break
        line = inner
    return line


def dominant_script(text: str) -> str | None:
    """The script that most letters of the text are written in, as Unicode names it; None without letters."""
    counted = Counter(_script(char) for char in text if char.isalpha())
    return counted.most_common(1)[0][0] if counted else None


def _unusable(text: str, rules: GuardRules) -> str | None:
    if "\ufffd" in text or any("\ud800" <= char <= "\udfff" for char in text):
        return "garbage"
    # Looked at as a reader would see it: full-width forms folded, joiners gone.
    seen = "".join(char for char in unicodedata.normalize("NFKC", text) if char not in _JOINERS)
    for reason, pattern in (
        ("email", _EMAIL),
        ("link", _LINK),
        ("price", _PRICE),
        ("phone", _PHONE),
        ("placeholder", _PLACEHOLDER),
        ("markup", _MARKUP),
        ("boilerplate", _BOILERPLATE),
    ):
        if pattern.search(seen):
            return reason
    if _leaks(seen, rules):
        return "prompt_leak"
    if _wrong_script(seen, rules.script):
        return "wrong_script"
    return None if _is_whole(text) else "cut_off"


def _leaks(text: str, rules: GuardRules) -> bool:
    folded = text.casefold()
    if any(canary.casefold() in folded for canary in rules.canaries):
        return True
    words = _words(folded)
    source = f" {' '.join(_words(rules.instructions.casefold()))} "
    runs = (words[start : start + LEAKED_WORDS] for start in range(len(words) - LEAKED_WORDS + 1))
    return any(f" {' '.join(run)} " in source for run in runs)


def _wrong_script(text: str, expected: str | None) -> bool:
    if expected is None:
        return False
    scripts = [_script(char) for char in text if char.isalpha()]
    if not scripts:
        return True
    return scripts.count(expected) < EXPECTED_SCRIPT_SHARE * len(scripts)


def _is_whole(text: str) -> bool:
    """True when the text ends as a sentence does and what it opens it also closes."""
    if any(text.count(opening) != text.count(closing) for opening, closing in _PAIRS.items()):
        return False
    if text.count('"') % 2:
        return False
    end = text
    while end and (end[-1] in _CLOSERS or end[-1].isspace()):
        end = end[:-1]
    if not end:
        return False
    last = end[-1]
    if last in _SENTENCE_ENDS or _is_pictograph(last):
        return True
    return _script(last) in _UNPUNCTUATED or (last == ";" and dominant_script(end) == "GREEK")


def _visible(char: str) -> str:
    category = unicodedata.category(char)
    if char.isspace() or category == "Cc":
        return " "
    if category in {"Cf", "Co", "Cn"} and char not in _JOINERS:
        return ""
    return char


@lru_cache(maxsize=4096)
def _script(char: str) -> str:
    if char.isascii():
        return "LATIN"
    name = unicodedata.name(char, "UNKNOWN")
    return "CJK" if name.startswith(("CJK", "HIRAGANA", "KATAKANA")) else name.split(" ", 1)[0]


def _is_pictograph(char: str) -> bool:
    return unicodedata.category(char) in {"So", "Sk"} or char in {"\ufe0f", "\u200d"}


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text)

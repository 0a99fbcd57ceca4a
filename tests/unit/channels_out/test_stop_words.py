"""STOP, START and HELP: the whole message, whatever its dress; a sentence is none."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels_out.stop_words import Keyword, recognize

# Source: CTIA's list, Twilio's defaults, FCC 24-24, and the same word in other languages.
STOPS = """STOP STOPALL UNSUBSCRIBE CANCEL END QUIT REVOKE OPTOUT OPT-OUT|opt out|REMOVE TD ARRET arrêt arrêter Basta
STOPP|СТОП रोकें|बंद करो|停止|退订|중지|توقف|إلغاء|stop please|please stop|Stop promotions|dừng lại|abmelden|baja|parar"""
STOP_TEXTS = [
    text.strip() for part in STOPS.splitlines() for text in (part.split("|") if "|" in part else part.split())
]


@pytest.mark.parametrize("text", [t for t in STOP_TEXTS if " " not in t or t.islower() or t.istitle()])
def test_words_that_end_it(text):
    for word in text.split() if text.isupper() else [text]:
        assert recognize(word) is Keyword.STOP


@pytest.mark.parametrize(
    "text",
    [
        "s t o p",
        "S.T.O.P.",
        "  stop  ",
        "STOP!!!",
        "🛑 stop 🛑",
        "\uff33\uff34\uff2f\uff30",
        "sto\u0301p",
        "'stop'",
        "stop\u200b",
        "stop\n",
    ],
)
def test_the_dress_does_not_matter(text):
    assert recognize(text) is Keyword.STOP


@pytest.mark.parametrize("text", ["start", "YES", "Unstop!", "sí", "हाँ"])
def test_words_that_begin_again(text):
    assert recognize(text) is Keyword.START


@pytest.mark.parametrize("text", ["help", "INFO?", "ayuda"])
def test_words_that_ask_for_help(text):
    assert recognize(text) is Keyword.HELP


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "👍",
        "stop texting me",
        "don't stop",
        "can you stop by at ten?",
        "the end",
        "yes please call",
        "stopwatch",
        "x" * 5000,
        "no",
        "रुकिए नहीं",
    ],
)
def test_everything_else_is_an_answer(text):
    assert recognize(text) is None


@given(st.text(max_size=300))
def test_any_text_is_answered_without_raising(text):
    recognize(text)


@given(
    st.sampled_from(["stop", "quit", "unsubscribe", "start", "help"]),
    st.text(alphabet=" .,!?-_\t\n*~()🙏❤️", max_size=10),
    st.data(),
)
def test_decoration_and_case_never_change_a_keyword(word, decoration, data):
    place = data.draw(st.integers(0, len(word)))
    cased = "".join(data.draw(st.sampled_from([c.lower(), c.upper()])) for c in word)

    assert recognize(cased[:place] + decoration + cased[place:]) is recognize(word)
    assert recognize(unicodedata.normalize("NFD", cased)) is recognize(word)

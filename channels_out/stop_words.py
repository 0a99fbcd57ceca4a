"""STOP, START and HELP, recognized in a whole message. Pure; never the work of a language model.

Sources: CTIA and carrier keyword lists, FCC 24-24 (2025-04); further languages are the words people use there.
Free-text revocations ("please stop texting me") are not keywords; a later classifier may only add opt-outs.
"""

import unicodedata
from enum import StrEnum


class Keyword(StrEnum):
    """What a one-word answer asks for."""

    STOP = "stop"
    START = "start"
    HELP = "help"


_STOP = """
stop stopall unsubscribe cancel end quit revoke optout remove td arret
stopp stopme stopit stoppen stopsms stopplease pleasestop plsstop unsub nomore stopmessaging stopmessages stoptexting
stoppromotions stopmarketing donotcontact dontcontact dontcontactme
alto parar pare parada cancelar baja darsedebaja nomas basta
sair pararmensagens descadastrar remover
arreter arretez desabonner desabonnement desinscrire finir
abmelden abbestellen austragen aufhoren
annulla cancella disiscrivi ferma fermati
afmelden uitschrijven
dur iptal iptalet
стоп отписаться отмена
توقف إيقاف ايقاف الغاء إلغاء
रोकें बंद बंदकरो रुको स्टॉप
বন্ধ
停止 退订 退訂 取消 停止訂閱
停止してください 配信停止 解除
중지 수신거부 그만
berhenti henti
dunglai huydangky tuchoi
"""
_START = """
start yes unstop subscribe optin resume startpromotions
si alta iniciar empezar reanudar
sim comecar
oui demarrer reprendre
ja anmelden
iniciarmensajes
старт да
ابدأ نعم
हाँ शुरू
开始 開始 시작
"""
_HELP = """
help info ayuda ajuda aide hilfe aiuto помощь مساعدة मदद 帮助 幫助 ヘルプ 도움말
"""

_LONGEST = 40


def recognize(text: str) -> Keyword | None:
    """The keyword that the whole message is, or None.

    Compatibility forms, case, accents, punctuation, emoji and blanks do not matter: "S T O P!!!" is STOP. A sentence
    that only contains a keyword is none.
    """
    return _WORDS.get(_bare(text)) if len(text) <= _LONGEST * 4 else None


def _bare(text: str) -> str:
    # NFKC first so that full-width letters become plain ones, then accents go: "arrêt" and "arret" are one word.
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text)).casefold()
    # Marks of Latin, Greek and Cyrillic letters go; vowel signs (category Mc, and Mn of Indic scripts) carry meaning.
    kept = [c for c in folded if c.isalnum() or _carries_meaning(c)]
    return unicodedata.normalize("NFC", "".join(kept))


_PLAIN_MARKS = ((0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF), (0xFE00, 0xFE2F))


def _carries_meaning(char: str) -> bool:
    code = ord(char)
    if code < 0x0900 or unicodedata.category(char) not in {"Mc", "Mn"}:
        return False
    return not any(low <= code <= high for low, high in _PLAIN_MARKS)


_WORDS: dict[str, Keyword] = {
    _bare(word): keyword
    for keyword, words in ((Keyword.HELP, _HELP), (Keyword.START, _START), (Keyword.STOP, _STOP))
    for word in words.split()
}

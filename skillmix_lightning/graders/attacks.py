"""Texts that look as if they were written for the grader's eyes: flagged for a person to look at, never zeroed.

A text for points has no reason to hold a table, a verdict, a chat template's marks, invisible characters or a word to
whoever grades it. These are signs, not proofs: prompts fence the text (`hardened-v1`) and replies are matched by name
whether it is flagged or not.
"""

import re
import unicodedata

_INVISIBLE = re.compile(
    "[\u00ad\u200b\u200c\u200e\u200f\u2060-\u2064\ufeff\ufffe\uffff\U000e0000-\U000e007f\U000e0100-\U000e01ef]"
)
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]|\r(?!\n)")
_MIXED_WORD = re.compile(r"\b(?=\w*[a-z])(?=\w*[\u0370-\u03ff\u0400-\u04ff])\w+", re.IGNORECASE)
_STACKED_MARKS = re.compile(r"(?:\w[\u0300-\u036f]+\s?){4}")
_SPACED_OUT = re.compile(r"(?:\b\w ){4,}\w\b")
_ENCODED = re.compile(r"\b(?=\w*[a-z])(?=\w*[A-Z])(?=\w*[0-9])[A-Za-z0-9+/]{24,}={0,2}")

_ROW = re.compile(
    r"^[ \t>]*\|.*\||\|[ \t]*(?:[01](?:[./]\d+)?|yes|no|✓)[ \t]*(?:\||$)|<t[dhr]\b", re.MULTILINE | re.IGNORECASE
)
_VERDICT = re.compile(
    r"[\"'][^\"'\n]+[\"']\s*[:,]\s*[\"'\[{]*[01]\b|\{\s*\""
    r"|^[\w: ]{0,60}(?:skill|topic|sense|length|illustrat)[\w: ]{0,60}:\s*[01]\s*$",
    re.MULTILINE | re.IGNORECASE,
)
_FIELD = re.compile(r"\{[\w.]*\}|%\(\w+\)|\$\{")
_TEMPLATE = re.compile(
    r"<\|[^|\n]*\|>|\[/?INST\]|<</?SYS>>|</?s>|<!\[CDATA\[|\]\]>|<!--"
    r"|</?(?:text|student\w*|instructions?|system|user|assistant|prompt)\b[^>\n]*>"
    r"|^[ \t]*(?:system|user|human|assistant)[ \t]*:",
    re.MULTILINE | re.IGNORECASE,
)
_MARKUP = re.compile(r"^[ \t]*(?:```|#{1,6} |Answer:|Explanation:)", re.MULTILINE)

_RUBRIC = re.compile(
    r"\bpoints? earned\b|\bgrading table\b|\b(?:full|maximum) (?:points?|marks?|scores?)\b|\bcorrectly illustrates\b"
    r"|\b(?:every|everything|all|each|these are the) (?:other )?criteri|\brubric\b|\btext makes sense\b"
    r"|\b([2-9]) ?(?:/|of|out of) ?\1\b|\b(?:earns?|deserves?)\b.{0,20}\b(?:points?|marks)\b"
)
_TO_THE_GRADER = re.compile(
    r"\b(?:ignore|disregard|overlook|forget|override|bypass)\b(?:.{0,30}\b(?:rubric|criteri\w+|prompt)"
    r"|.{0,20}\b(?:all|any|previous|prior|earlier|above|other|your|these)\b.{0,30}\b(?:instructions?|guidelines|rules|follows)\b)"
    r"|\b(?:dear|as (?:the|a|your)|you are (?:now )?(?:the|a)) (?:grader|examiner|evaluator)\b"
    r"|\b(?:grader|examiner|evaluator)s?(?: adds| notes?)?:"
    r"|\b(?:set|mark|rate)\b.{0,20}\b(?:every|all|each)\b.{0,20}\b(?:points?|scores?|criteri\w+|requirements?)\b"
    r"|\b(?:award|grant|assign)\b.{0,40}\b(?:points?|marks?|scores?)\b"
    r"|\bgive\b.{0,40}\b(?:one|1|full|all|every|each|maximum)\b.{0,20}\b(?:points?|marks?|scores?|criteri\w+)\b"
    r"|\b(?:the verdict|(?:the|every) value) is (?:all )?(?:1|ones?)\b"
)
#: "Ignore … instructions" and "full marks" in other languages.
_IN_OTHER_LANGUAGES = re.compile(
    r"(?:ignorier|missacht|vergiss)\w*.{0,40}(?:anweisung|vorgabe|regel)|volle punktzahl|vergib.{0,40}punkt"
    r"|(?:ignore[rz]?|oublie[rz]?|pas compte).{0,40}(?:instructions|consignes)|note maximale|tous les points"
    r"|(?:ignor|olvid)\w*.{0,40}(?:instrucciones|reglas)|puntuación máxima|todos los puntos"
    r"|(?:ignor|dimentic)\w*.{0,40}istruzioni|punteggio (?:massimo|pieno)"
    r"|(?:ignor|esqueç)\w*.{0,40}instruções|pontuação máxima|(?:negeer|vergeet).{0,40}instructies"
    r"|zignoruj.{0,40}(?:instrukcj|poleceni)|maksymaln\w+ (?:liczb|ocen)"
    r"|talimat\w*.{0,40}(?:yok say|görmezden)|tam puan"
    r"|(?:игнорир|забуд)\w*.{0,40}(?:инструкц|указани)|(?:максимальн|полн)\w* балл|все баллы"
    r"|(?:忽略|无视|無視).{0,20}(?:指示|指令|说明|规则|規則)|(?:指示|命令).{0,12}無視|满分|滿分|満点"
    r"|(?:지시|명령|지침).{0,12}무시|만점|تجاهل.{0,40}(?:التعليمات|الأوامر)|الدرجة الكاملة"
    r"|निर्देश.{0,20}(?:अनदेखा|नज़रअंदाज़)|पूरे अंक"
)

_LOOK_ALIKE = str.maketrans(
    "асеорхуіјѕԁһгкмтвнАВЕКМНОРСТУХІЈЅαοριυνΑΒΕΗΙΚΜΝΟΡΤΧΥΖ",
    "aceopxyijsdhrkmtbhabekmhopctyxijsaopiuvabehikmnoptxyz",
)
_LEET = str.maketrans("0134578@$", "oieastbas")
_PIPES = str.maketrans("｜│┃║¦∣ǀ￨", "||||||||")


def looks_like_attack(text: str) -> list[str]:
    """The signs that a text was written to sway or confuse its grader; none for an ordinary text.

    Args:
        text: what a student wrote.

    Returns:
        A few words for each sign, in a fixed order.
    """
    hidden = "".join(chr(ord(c) - 0xE0000) for c in text if 0xE0020 <= ord(c) <= 0xE007E)
    plain = _without_hiding(text)
    words = [" ".join(variant.casefold().split()) for variant in _readings(plain, hidden)]
    signs = {
        "invisible characters": _INVISIBLE.search(text),
        "characters that turn the direction of writing": _BIDI.search(text),
        "control characters": _CONTROL.search(text),
        "words that mix look-alike letters of several scripts": _MIXED_WORD.search(text),
        "letters that are disguised or encoded": any(p.search(text) for p in (_STACKED_MARKS, _SPACED_OUT, _ENCODED)),
        "a row of a table": _ROW.search(plain),
        "a verdict": _VERDICT.search(plain),
        "fields of a prompt": _FIELD.search(plain),
        "marks of a chat or a prompt": _TEMPLATE.search(plain),
        "headings or marks of a reply": _MARKUP.search(plain),
        "the rubric's words": any(_RUBRIC.search(each) for each in words),
        "words to the grader": any(
            pattern.search(each) for each in words for pattern in (_TO_THE_GRADER, _IN_OTHER_LANGUAGES)
        ),
    }
    return [sign for sign, found in signs.items() if found]


def _without_hiding(text: str) -> str:
    """The text as a reader would take it: compatible forms folded, what cannot be seen left out, pipes as pipes."""
    folded = unicodedata.normalize("NFKC", text.translate(_PIPES))
    return _BIDI.sub("", _INVISIBLE.sub("", folded))


def _readings(plain: str, hidden: str) -> list[str]:
    """The ways to read a text's words: as they are, without marks on letters, and with disguises taken off."""
    bare = "".join(c for c in unicodedata.normalize("NFD", plain) if not unicodedata.combining(c))
    latin = bare.translate(_LOOK_ALIKE)
    closed_up = re.sub(r"(?<=\b\w) (?=\w\b)", "", latin) if _SPACED_OUT.search(latin) else ""
    return [plain, latin, latin.casefold().translate(_LEET), closed_up, plain[::-1], hidden]

"""The words for numbers in English, Spanish, Portuguese and Hindi, and how words are compared.

Data only; ``spoken`` reads numbers with them. To add a language: its words in WORDS, what joins two of them in
LINKS, what repeats a digit in REPEATS.
"""

import unicodedata
from collections.abc import Mapping

NUKTA, CHANDRABINDU, ANUSVARA = "\u093c", "\u0901", "\u0902"


def fold(word: str) -> str:
    """A word as compared: lower case, no Latin accents, one spelling of Hindi's signs."""
    plain = word.casefold().replace(NUKTA, "").replace(CHANDRABINDU, ANUSVARA)
    split = unicodedata.normalize("NFD", plain)
    return "".join(c for c in split if not "\u0300" <= c <= "\u036f" and c != NUKTA)


def _numbered(words: str, first: int = 0, step: int = 1) -> dict[str, int]:
    """Words in order of their numbers, spellings of one separated by a stroke."""
    return {
        fold(spelling): first + index * step
        for index, spellings in enumerate(words.split())
        for spelling in spellings.split("/")
    }


_ENGLISH = {
    **_numbered("zero/nought one two three four five six seven eight nine/niner ten eleven twelve thirteen"),
    **_numbered("fourteen fifteen sixteen seventeen eighteen nineteen", 14),
    **_numbered("twenty thirty forty/fourty fifty sixty seventy eighty ninety", 20, 10),
    "hundred": 100,
    "thousand": 1000,
}
_SPANISH = {
    **_numbered(
        "cero uno/una/un dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince"
    ),
    **_numbered(
        "dieciséis diecisiete dieciocho diecinueve veinte veintiuno/veintiún/veintiuna veintidós", 16
    ),
    **_numbered("veintitrés veinticuatro veinticinco veintiséis veintisiete veintiocho veintinueve", 23),
    **_numbered("treinta cuarenta cincuenta sesenta setenta ochenta noventa", 30, 10),
    **_numbered(
        "cien/ciento doscientos/doscientas trescientos/trescientas cuatrocientos/cuatrocientas", 100, 100
    ),
    **_numbered(
        "quinientos/quinientas seiscientos/seiscientas setecientos/setecientas ochocientos", 500, 100
    ),
    **_numbered("novecientos/novecientas mil", 900, 100),
}
_PORTUGUESE = {
    **_numbered("zero um/uma dois/duas três quatro cinco seis/meia sete oito nove dez onze doze treze"),
    **_numbered(
        "catorze/quatorze quinze dezesseis/dezasseis dezessete/dezassete dezoito dezenove/dezanove", 14
    ),
    **_numbered("vinte trinta quarenta cinquenta sessenta setenta oitenta noventa cem/cento", 20, 10),
    **_numbered(
        "duzentos/duzentas trezentos/trezentas quatrocentos/quatrocentas quinhentos/quinhentas", 200, 100
    ),
    **_numbered("seiscentos/seiscentas setecentos/setecentas oitocentos/oitocentas novecentos mil", 600, 100),
}
_HINDI = {
    **_numbered("शून्य एक दो तीन चार पाँच/पांच छह/छः/छे/छै सात आठ नौ दस ग्यारह बारह तेरह चौदह पंद्रह/पन्द्रह सोलह सत्रह"),
    **_numbered("अठारह/अट्ठारह उन्नीस बीस इक्कीस बाईस/बाइस तेईस/तेइस चौबीस पच्चीस छब्बीस सत्ताईस/सत्ताइस", 18),
    **_numbered("अट्ठाईस/अठाईस/अट्ठाइस उनतीस/उन्तीस तीस इकतीस/इकत्तीस बत्तीस तैंतीस/तेंतीस चौंतीस पैंतीस छत्तीस", 28),
    **_numbered("सैंतीस अड़तीस उनतालीस/उन्तालीस चालीस इकतालीस बयालीस/बियालीस तैंतालीस/तेतालीस चौवालीस/चवालीस", 37),
    **_numbered("पैंतालीस छियालीस सैंतालीस अड़तालीस उनचास/उन्चास पचास इक्यावन बावन तिरपन/तिरेपन चौवन पचपन छप्पन", 45),
    **_numbered("सत्तावन अट्ठावन/अठावन उनसठ साठ इकसठ बासठ तिरसठ/तिरेसठ चौंसठ/चौसठ पैंसठ छियासठ सड़सठ अड़सठ", 57),
    **_numbered("उनहत्तर सत्तर इकहत्तर बहत्तर तिहत्तर चौहत्तर पचहत्तर छिहत्तर सतहत्तर अठहत्तर उन्यासी/उनासी", 69),
    **_numbered("अस्सी इक्यासी बयासी तिरासी चौरासी पचासी छियासी सत्तासी अट्ठासी/अठासी नवासी नब्बे इक्यानवे", 80),
    **_numbered("बानवे तिरानवे चौरानवे पचानवे/पंचानवे छियानवे सत्तानवे अट्ठानवे/अठानवे निन्यानवे/निन्नानवे सौ", 92),
    # As Indians mostly read a card: in English, which a recogniser writes in either script.
    **_numbered("ज़ीरो/जीरो वन टू/टु थ्री फोर/फ़ोर फाइव/फाईव सिक्स सेवन/सेवेन एट/ऐट नाइन टेन"),
    "हजार": 1000,
    "हज़ार".replace(NUKTA, ""): 1000,
}
_HINDI_ROMAN = {
    **_numbered("shunya/shoonya ek do teen/tin char/chaar panch/paanch chhe/chhah saat/sat aath/aat nau das"),
    "sau": 100,
    "hazaar": 1000,
    "hazar": 1000,
}

WORDS: Mapping[str, Mapping[str, int]] = {
    "en": _ENGLISH,
    "es": _SPANISH,
    "pt": _PORTUGUESE,
    "hi": {**_HINDI, **_HINDI_ROMAN},
}
LINKS = {"en": {"and"}, "es": {"y"}, "pt": {"e"}, "hi": {"और"}}
REPEATS: Mapping[str, int] = {
    **{fold(word): 2 for word in ("double", "doble", "dobro", "duplo", "डबल")},
    **{fold(word): 3 for word in ("triple", "treble", "triplo", "tripla", "ट्रिपल")},
    fold("quadruple"): 4,
}
HEARD_AS: Mapping[str, int] = {
    **{"o": 0, "oh": 0, "ओ": 0, "won": 1, "to": 2, "too": 2, "tree": 3, "for": 4, "fore": 4, "ate": 8},
}
"""What a digit sounds like: only among others is it one. "Oh" also begins a number."""
BEGINS = {"o", "oh", "ओ"}
DOUBTED = {"one", "un", "una", "uno", "um", "uma", "एक", "ek", "meia", "do", "दो"}
"""Numbers that mostly are something else when they stand alone."""
NOT_FOREIGN = {"um", "un", "uma", "una", "do", "das", "sat", "tin", "once", "mil", "char", "teen", "a", "e"}
"""Words of other languages that a speaker of this one says all the time."""


FACTORS = {"hundred", "thousand", "mil", "सौ", "sau", "हजार", "hazaar", "hazar"}
"""Words that multiply the number before them."""
ALL_LINKS: frozenset[str] = frozenset().union(*LINKS.values())

"""Words that tell what the digits beside them are, and that say an address: English, Spanish, Portuguese, Hindi.

All folded (``number_words.fold``). Called by: ``sensitive``, ``addresses``.
"""

from fsctl.transcribe.number_words import fold

ANSWER_MS = 20_000
"""So soon after it was asked for, an answer comes."""


def _words(*lines: str) -> frozenset[str]:
    return frozenset(fold(word) for line in lines for word in line.split())


CARD = _words(
    "card cards visa mastercard amex maestro rupay credit debit",
    "tarjeta tarjetas credito debito",
    "cartão cartao crédito débito",
    "कार्ड क्रेडिट डेबिट वीज़ा वीजा मास्टरकार्ड रुपे",
)
CODE = _words(
    "cvv cvc cvn csc cid cvv2 cvc2 ccv security verification pin otp passcode",
    "seguridad verificación pin clave cvv",
    "segurança verificação senha",
    "सीवीवी सीवीसी पिन ओटीपी सिक्योरिटी सुरक्षा",
)
PHONE = _words(
    "phone telephone mobile cell cellphone number call whatsapp tel",
    "teléfono móvil celular número llámame llamar",
    "telefone telemóvel celular número ligar",
    "फोन फ़ोन मोबाइल नंबर व्हाट्सएप",
)
FILLERS = _words(
    "um uh uhm er erm hmm mm and then next okay ok yes yeah right so comma dash hyphen space sorry",
    "eh este y luego entonces sí vale bueno coma guión guion espacio perdón",
    "é e depois então sim certo tá vírgula traço espaço desculpa",
    "और फिर हाँ हां जी ठीक है तो अच्छा haan ji aur phir",
)
"""Said between the groups of a number, or before and after it."""
AT = _words("arroba", "@")
AT_OR_TO = _words("at", "एट ऐट")
"""Mean the sign only where a domain follows."""
DOT = _words("dot punto ponto डॉट डाट")
JOINS = _words(
    "underscore dash hyphen minus plus",
    "guión guion bajo menos más",
    "sublinhado underline traço hífen menos mais",
    "अंडरस्कोर डैश हाइफन",
)
BEFORE_ADDRESS = _words(
    "is it's its email e mail address to my the that's at send write me and or you can",
    "es correo electrónico mi el la a al y o dirección",
    "é meu minha o e-mail endereço para",
    "है मेरा ईमेल का पता और",
)
"""Not part of an address that comes after it."""

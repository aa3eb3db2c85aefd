"""What we write to a customer whose call was missed, in the languages that there are prompts for.

Texts only; which one is taken is for ``call/followup.py`` to say. The config may say it in other words, and in
other languages. ``{why}`` in a text becomes the sentence that says why we write.
"""

from collections.abc import Mapping

LANGUAGES = ("en", "es", "pt", "hi")
FALLBACK = "en"
"""Of customers whose language is not known, where the number called has none either."""

WHY: Mapping[str, Mapping[str, str]] = {
    "en": {
        "abandoned": "We missed your call.",
        "timed_out": "We are sorry: nobody was free to take your call.",
        "closed": "You called while we are closed.",
        "failed": "Your call did not get through, and that was not your fault.",
        "continued_in_chat": "You chose to go on here in the chat: how can we help?",
        "dissuaded": "All our lines are busy, and you chose the chat: how can we help?",
        "bad_line": "The line of your call is poor: we can go on here in the chat.",
        "opened": "Here is the call that you asked for at this time.",
    },
    "es": {
        "abandoned": "No pudimos atender su llamada.",
        "timed_out": "Lo sentimos: nadie pudo atender su llamada.",
        "closed": "Llamó cuando estamos cerrados.",
        "failed": "Su llamada no llegó, y no fue culpa suya.",
        "continued_in_chat": "Eligió seguir aquí en el chat: ¿en qué podemos ayudarle?",
        "dissuaded": "Todas las líneas están ocupadas y eligió el chat: ¿en qué podemos ayudarle?",
        "bad_line": "La línea de su llamada es mala: podemos seguir aquí en el chat.",
        "opened": "Esta es la llamada que pidió para esta hora.",
    },
    "pt": {
        "abandoned": "Não conseguimos atender sua ligação.",
        "timed_out": "Desculpe: ninguém pôde atender sua ligação.",
        "closed": "Você ligou enquanto estamos fechados.",
        "failed": "Sua ligação não foi completada, e não foi culpa sua.",
        "continued_in_chat": "Você escolheu continuar aqui no chat: como podemos ajudar?",
        "dissuaded": "Todas as linhas estão ocupadas e você escolheu o chat: como podemos ajudar?",
        "bad_line": "A linha da sua ligação está ruim: podemos continuar aqui no chat.",
        "opened": "Esta é a ligação que você pediu para este horário.",
    },
    "hi": {
        "abandoned": "हम आपकी कॉल नहीं ले पाए।",
        "timed_out": "क्षमा करें: आपकी कॉल लेने के लिए कोई उपलब्ध नहीं था।",
        "closed": "आपने तब कॉल किया जब हम बंद हैं।",
        "failed": "आपकी कॉल पूरी नहीं हुई, और इसमें आपकी गलती नहीं थी।",
        "continued_in_chat": "आपने यहाँ चैट में बात जारी रखना चुना: हम आपकी क्या मदद करें?",
        "dissuaded": "सभी लाइनें व्यस्त हैं और आपने चैट चुना: हम आपकी क्या मदद करें?",
        "bad_line": "आपकी कॉल की लाइन खराब है: हम यहाँ चैट में बात जारी रख सकते हैं।",
        "opened": "यह वह कॉल है जो आपने इस समय के लिए माँगी थी।",
    },
}
"""Language -> kind of missed call -> why we write; ``opened`` is said when the time of a callback has come."""

BUTTON: Mapping[str, str] = {
    "en": "Call us back",
    "es": "Volver a llamar",
    "pt": "Ligar de novo",
    "hi": "फिर कॉल करें",
}
"""On the call button: 20 characters at most (Meta, call button messages)."""

CHOOSE: Mapping[str, str] = {
    "en": "Choose a time",
    "es": "Elegir hora",
    "pt": "Escolher horário",
    "hi": "समय चुनें",
}
"""On the button that leads to the page."""

OFFER: Mapping[str, Mapping[str, str]] = {
    "en": {
        "button": "{why} You can call us again with the button below, and you keep your place in the queue.",
        "slot": "{why} Choose a time that suits you, and we will be there for you:",
        "none": "{why}",
    },
    "es": {
        "button": "{why} Puede volver a llamarnos con el botón de abajo y conserva su lugar en la cola.",
        "slot": "{why} Elija la hora que le convenga y le atenderemos:",
        "none": "{why}",
    },
    "pt": {
        "button": "{why} Você pode ligar de novo com o botão abaixo e mantém seu lugar na fila.",
        "slot": "{why} Escolha o horário que preferir e estaremos à sua espera:",
        "none": "{why}",
    },
    "hi": {
        "button": "{why} नीचे दिए बटन से आप फिर कॉल कर सकते हैं, और कतार में आपकी जगह बनी रहेगी।",
        "slot": "{why} अपनी सुविधा का समय चुनें, हम आपके लिए उपलब्ध रहेंगे:",
        "none": "{why}",
    },
}
"""Language -> what is offered -> the text."""

CALL_NOW: Mapping[str, str] = {
    "en": "{why} Tap the button and you are next.",
    "es": "{why} Toque el botón y será el siguiente.",
    "pt": "{why} Toque no botão e você será o próximo.",
    "hi": "{why} बटन दबाएँ, अगली बारी आपकी है।",
}
"""When the time of a callback has come."""

"""What Whisper writes where nobody speaks: the ends of films and videos that it learnt from.

Folded as ``guard.folded``. Nothing here is suppressed for its words alone: people do say "thank you".
Called by: ``guard``. From our measurements (docs/transcription.md) and from issues of Whisper's users.
"""

INVENTED = frozenset(
    {
        # English
        "you", "thank you", "thanks", "thank you very much", "thank you so much", "thanks for watching",
        "thank you for watching", "thanks for listening", "bye", "bye bye", "goodbye",
        "okay", "ok", "oh", "so", "uh",
        "the end", "music", "applause", "laughter", "silence", "blank audio", "beep", "i m sorry", "i m not sure",
        "we ll be right back", "see you next time", "see you in the next video", "please subscribe", "hmm", "mm",
        "i don t know", "there we go", "let s go", "it s a beautiful day", "shh", "ugh", "whoosh", "click",
        # Spanish
        "gracias", "muchas gracias", "gracias por ver", "gracias por ver el video", "gracias por vernos",
        "hasta la proxima", "suscribete", "suscribete al canal", "musica", "musica de fondo", "aplausos",
        "fin", "adios",
        "nos vemos", "chao",
        # Portuguese
        "obrigado", "obrigada", "muito obrigado", "obrigado por assistir", "ate a proxima", "ate logo", "tchau",
        "inscreva se no canal", "legendas", "musica tema",
        # Hindi
        "धन्यवाद", "शुक्रिया", "नमस्ते", "सब्सक्राइब करें", "चैनल को सब्सक्राइब करें", "संगीत",
        # Other languages that it falls into
        "merci", "merci d avoir regarde cette video", "danke", "vielen dank", "untertitel", "untertitelung des zdf",
        "grazie", "grazie a tutti", "sottotitoli", "спасибо", "продолжение следует", "ご視聴ありがとうございました",
        "感谢观看", "谢谢", "시청해주셔서 감사합니다", "감사합니다", "dziekuje", "takk", "tack", "www",
    }
)  # fmt: skip
"""As the whole text."""

PARTS_INVENTED = (
    "amara org", "subtitles by", "subtitulos realizados por", "subtitulos por la comunidad",
    "legendas pela comunidade",
    "legenda adriana zanotto", "sous titres", "untertitel von", "sottotitoli creati",
    "transcription by castingwords",
    "copyright wdr", "dimatorzok", "otter ai", "rev com", "like and subscribe", "subscribe to my channel",
    "subscribe to the channel", "in the next video", "beep beep",
)  # fmt: skip
"""Anywhere in it."""

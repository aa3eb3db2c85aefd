"""What the callback page says, in the languages that there are prompts for: sentences, days and months."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Phrases:
    """All of one language. ``day`` has places for the name of the day, its number and the month."""

    title: str
    choose: str
    zone: str
    """With a place for the name of the time zone and its offset."""
    none: str
    full: str
    booked: str
    what_happens: str
    cancel: str
    invalid: str
    expired: str
    used: str
    away: str
    write: str
    day: str
    days: tuple[str, ...]
    """Monday first."""
    months: tuple[str, ...]

    def name_of(self, day: datetime) -> str:
        """A day as people write it."""
        return self.day.format(self.days[day.weekday()], day.day, self.months[day.month - 1])


PHRASES: Mapping[str, Phrases] = {
    "en": Phrases(
        title="Choose a time for your call",
        choose="Tap the time that suits you. You need nothing else.",
        zone="Times are those of {} ({}).",
        none="There is no free time in the next days. Please write to us in the WhatsApp chat.",
        full="Someone else was faster: that time is taken. Please choose another.",
        booked="Your call is booked",
        what_happens="At that time we call you, or send you a button in the WhatsApp chat. You keep your place.",
        cancel="Choose another time",
        invalid="This link is not valid",
        expired="This link has expired",
        used="This link was used already",
        away="We cannot look that up now: please try again in a minute",
        write="Please write to us in the WhatsApp chat, or call us again there.",
        day="{0} {1} {2}",
        days=("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
        months=(
            "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
            "November", "December",
        ),
    ),
    "es": Phrases(
        title="Elija la hora de su llamada",
        choose="Toque la hora que le convenga. No hace falta nada más.",
        zone="Las horas son las de {} ({}).",
        none="No hay horas libres en los próximos días. Escríbanos en el chat de WhatsApp.",
        full="Alguien fue más rápido: esa hora ya está ocupada. Elija otra, por favor.",
        booked="Su llamada está reservada",
        what_happens="A esa hora le llamamos o le enviamos un botón en el chat de WhatsApp. Conserva su lugar.",
        cancel="Elegir otra hora",
        invalid="Este enlace no es válido",
        expired="Este enlace ha caducado",
        used="Este enlace ya se ha usado",
        away="No podemos consultarlo ahora: inténtelo de nuevo en un minuto",
        write="Escríbanos en el chat de WhatsApp o vuelva a llamarnos desde allí.",
        day="{0}, {1} de {2}",
        days=("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"),
        months=(
            "enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre",
            "noviembre", "diciembre",
        ),
    ),
    "pt": Phrases(
        title="Escolha o horário da sua ligação",
        choose="Toque no horário que preferir. Não é preciso mais nada.",
        zone="Os horários são os de {} ({}).",
        none="Não há horários livres nos próximos dias. Escreva para nós no chat do WhatsApp.",
        full="Alguém foi mais rápido: esse horário já está ocupado. Escolha outro, por favor.",
        booked="Sua ligação está marcada",
        what_happens="Nesse horário ligamos ou enviamos um botão no chat do WhatsApp. Você mantém seu lugar.",
        cancel="Escolher outro horário",
        invalid="Este link não é válido",
        expired="Este link expirou",
        used="Este link já foi usado",
        away="Não podemos consultar agora: tente de novo em um minuto",
        write="Escreva para nós no chat do WhatsApp ou ligue de novo por lá.",
        day="{0}, {1} de {2}",
        days=(
            "segunda-feira", "terça-feira", "quarta-feira", "quinta-feira", "sexta-feira", "sábado", "domingo",
        ),
        months=(
            "janeiro", "fevereiro", "março", "abril", "maio", "junho", "julho", "agosto", "setembro", "outubro",
            "novembro", "dezembro",
        ),
    ),
    "hi": Phrases(
        title="अपनी कॉल का समय चुनें",
        choose="जो समय आपको ठीक लगे उसे दबाएँ। और कुछ नहीं करना है।",
        zone="समय {} ({}) के अनुसार हैं।",
        none="अगले कुछ दिनों में कोई समय खाली नहीं है। कृपया हमें व्हाट्सऐप चैट में लिखें।",
        full="यह समय अभी-अभी किसी और ने ले लिया। कृपया दूसरा समय चुनें।",
        booked="आपकी कॉल का समय तय हो गया है",
        what_happens="उस समय हम आपको कॉल करेंगे या व्हाट्सऐप चैट में एक बटन भेजेंगे। आपकी जगह बनी रहेगी।",
        cancel="दूसरा समय चुनें",
        invalid="यह लिंक मान्य नहीं है",
        expired="इस लिंक का समय समाप्त हो गया है",
        used="इस लिंक का उपयोग हो चुका है",
        away="हम अभी यह नहीं देख पा रहे: कृपया एक मिनट में फिर कोशिश करें",
        write="कृपया हमें व्हाट्सऐप चैट में लिखें, या वहीं से फिर कॉल करें।",
        day="{0}, {1} {2}",
        days=("सोमवार", "मंगलवार", "बुधवार", "गुरुवार", "शुक्रवार", "शनिवार", "रविवार"),
        months=(
            "जनवरी", "फ़रवरी", "मार्च", "अप्रैल", "मई", "जून", "जुलाई", "अगस्त", "सितंबर", "अक्टूबर", "नवंबर",
            "दिसंबर",
        ),
    ),
}  # fmt: skip

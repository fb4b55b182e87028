"""What counts as a question that was put to nobody in particular."""

from __future__ import annotations

import time

import pytest

from bots.questions import goes_on, is_farewell, is_question, is_thanks

QUESTIONS = [
    "How many days of leave do I have?",
    "how many days of leave do I have",
    "Is Friday a public holiday?",
    "Does anybody remember the Wi-Fi password for guests?",
    "Hi all, where do I book a train ticket?",
    "Good morning! Who approves a trip above 1,000 euros?",
    "I am new here. Where do I find the handbook?",
    "Where do I find the handbook? I looked in the wiki.",
    "what's the address of the Lisbon office?",
    "What does `make deploy` do on Fridays?",
    "what do I do when https://status.acme.com/?red=1 is red?",
    "> Leave is booked in the portal.\nWhere is the portal, please?",
    "Wie viele Urlaubstage habe ich?",
    "wo finde ich das Formular für die Reisekosten",
    "Moin zusammen, wer genehmigt eine Dienstreise?",
    "Kennt jemand das WLAN-Passwort für Gäste?",
    "¿Cuántos días de vacaciones tengo?",
    "Hola, ¿dónde reservo un billete de tren?",
    "cuándo se pagan los gastos de viaje",
    "Combien de jours de congé ai-je ?",
    "Bonjour, où est-ce que je réserve un billet ?",
    "Qu'est-ce que je dois faire en cas de maladie ?",
    "comment réserver une salle de réunion",
    "有給休暇は何日ありますか？",
    "経費精算の締め切りはいつですか",
    "こんにちは、会議室はどこで予約できますか？",
]

NOT_QUESTIONS = [
    "",
    "?",
    "??",
    "Really?",
    "why not?",
    "for me?",
    "Good morning!",
    "Hello everyone",
    "How are you all today?",
    "how's it going, folks?",
    "What's up with you today?",
    "Who's up for lunch today?",
    "Anyone up for a coffee?",
    "Shall we meet at noon?",
    "Can you review my pull request?",
    "Could somebody restart the build server?",
    "Are you kidding me?",
    "What could possibly go wrong?",
    "Can you believe this weather?",
    "We ship on Friday, right?",
    "That was a great talk, don't you think?",
    "You did what yesterday?!",
    "Is it down again???",
    "What a wonderful day that was",
    "What I meant was the second page",
    "When the build is green we ship",
    "How nice of you to say",
    "Which is why we moved the date",
    "The portal is at https://people.acme.com/leave?year=2026",
    "`SELECT * FROM leave WHERE id = ?`",
    "```\nwhy is this red?\n```",
    "> how many days of leave do I have?",
    'She asked "how many days of leave do I have?"',
    "@Ben how many days of leave do I have?",
    "  @Ben, where is the handbook?",
    "We have thirty days of leave.",
    "Wie geht es euch heute?",
    "Wer kommt mit zum Essen?",
    "Kannst du bitte den Build neu starten?",
    "Das Meeting ist um drei, oder?",
    "Wie schön, dass ihr da seid",
    "Was ich sagen wollte",
    "¿Cómo estás hoy, amiga?",
    "¿Qué tal el fin de semana?",
    "Qué bien que vienes mañana",
    "Nos vemos a las tres, ¿verdad?",
    "Comment ça va ce matin ?",
    "Qui vient manger avec moi ?",
    "Quelle bonne nouvelle pour tous",
    "C'est à trois heures, n'est-ce pas ?",
    "お元気ですか？",
    "一緒にランチに行きませんか？",
    "おはようございます。",
    "今日は休みます。",
    "word " * 250 + "?",
]


@pytest.mark.parametrize("text", QUESTIONS)
def test_a_question(text: str) -> None:
    assert is_question(text)


@pytest.mark.parametrize("text", NOT_QUESTIONS, ids=lambda text: text[:40])
def test_no_question(text: str) -> None:
    assert not is_question(text)


@pytest.mark.parametrize("run", ["¿", "hi ", ", right", "`", '"', "> ", "a@", "a.", "who's in ", ":a", "（", "\n"])
def test_a_long_run_of_anything_is_read_in_no_time(run: str) -> None:
    started = time.process_time()
    is_question(run * (999 // len(run)))
    assert time.process_time() - started < 0.1


@pytest.mark.parametrize("text", ["stop", "Stop!", "please leave this thread", "LEAVE", "Hör auf.", "やめて"])
def test_told_to_leave(text: str) -> None:
    assert is_farewell(text)


@pytest.mark.parametrize(
    "text", ["", "stop the build server", "how do I leave this thread?", "leave policy", "when does leave expire"]
)
def test_not_told_to_leave(text: str) -> None:
    assert not is_farewell(text)


@pytest.mark.parametrize(
    "text",
    [
        *QUESTIONS,
        "Spain?",
        "why?",
        "And in Spain?",
        "Can I carry them over?",
        "Thanks! And for part-timers?",
        "So it is thirty, right?",
        "what about part-timers",
        "new topic: the Heron",
        "カフェは？",
    ],
)
def test_in_a_thread_with_the_bot_even_a_word_asks_more(text: str) -> None:
    assert goes_on(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "?",
        "Really?",
        "Oh, really?",
        "OK, right?",
        "Are you kidding me?",
        "Echt?",
        "Thanks!",
        "Thank you so much, that helps.",
        "As of May it is thirty-two days.",
        "I think that is in the handbook",
        "@Ben do you know?",
        "> how many days?",
        "stop",
    ],
)
def test_what_people_tell_each_other_in_a_thread_with_the_bot_asks_nothing(text: str) -> None:
    assert not goes_on(text)


@pytest.mark.parametrize(
    "text", ["Thanks!", "thank you so much", "Great, thanks :)", "ok, got it", "Vielen Dank!", "merci beaucoup"]
)
def test_thanks(text: str) -> None:
    assert is_thanks(text)


@pytest.mark.parametrize("text", ["", "👍", "so", "Thanks, and in Spain?", "It is thirty-two, thanks", "good days of leave"])
def test_more_than_thanks_or_none(text: str) -> None:
    assert not is_thanks(text)

"""How likely it is that what was found answers the question."""

from __future__ import annotations

from dataclasses import replace

from redis.asyncio import Redis

from core.answering.chain import Ask, Draft, build_chain
from core.answering.line import Line
from core.answering.quoting.passages import passages
from core.answering.refusing.confidence import COMPARED, Confidence, Rule, Rules, Signs, Verdict, nearest
from core.errors import TransientError
from core.models import ANYONE, AnswerMode, Audience, Query, Retrieved, Signals
from tests.answering import evidence, hit, public

BY_NEAREST = Rule(coverage=0, agreement=0, lead=0, nearest=10, bias=-5, low=0.3, high=0.6)
NOTHING = Signals(coverage=0, agreement=0, lead=0)
HOTELS = evidence(hit("wiki:hotels", "Hotels cost 140 euros a night. Dogs are welcome in some.", title="Hotels"))
QUESTION = "Where may animals sleep?"


class Vectors:
    """Two dimensions: what is near the question, and what is not."""

    def __init__(self, near: str = "Dogs", cosine: float = 0.9) -> None:
        self._near, self._cosine = near, cosine
        self.asked: list[str] = []

    async def __call__(self, text: str) -> list[float]:
        self.asked.append(text)
        cosine = 1.0 if text == QUESTION else self._cosine if self._near in text else 0.0
        return [cosine, (1 - cosine**2) ** 0.5]


async def away(text: str) -> list[float]:
    raise TransientError("The embeddings do not answer.")


async def test_the_nearest_passage_counts_however_far_the_others_are() -> None:
    found = await nearest(QUESTION, HOTELS, Vectors(cosine=0.8))
    assert found is not None
    assert abs(found - 0.8) < 1e-9


async def test_a_long_page_costs_no_more_than_a_few_comparisons() -> None:
    vectors = Vectors()
    await nearest(QUESTION, evidence(hit(text=" ".join(f"Room {number} has a bed." for number in range(40)))), vectors)
    assert len(vectors.asked) == 1 + COMPARED


async def test_the_passages_that_share_the_questions_words_are_those_compared() -> None:
    vectors = Vectors()
    text = " ".join(f"Room {number} has a bed." for number in range(40)) + " Animals sleep in the barn."
    await nearest(QUESTION, evidence(hit(text=text)), vectors)
    assert "Animals sleep in the barn." in vectors.asked


async def test_the_bands_decide(redis: Redis) -> None:
    rules = Rules(redis, "m")
    await rules.keep(BY_NEAREST)
    for cosine, verdict in ((0.1, Verdict.REFUSE), (0.5, Verdict.UNSURE), (0.9, Verdict.SURE)):
        assert await Confidence(Vectors(cosine=cosine), rules).verdict(QUESTION, HOTELS, NOTHING) is verdict


async def test_a_page_that_has_the_questions_words_is_never_refused(redis: Redis) -> None:
    rules = Rules(redis, "m")
    await rules.keep(BY_NEAREST)
    barn = evidence(hit("wiki:barn", "All animals sleep in the barn.", title="Barn"))
    assert await Confidence(Vectors(), rules).verdict(QUESTION, barn, NOTHING) is Verdict.UNSURE


async def test_nothing_is_told_of_a_model_that_nobody_measured(redis: Redis) -> None:
    assert await Confidence(Vectors(), Rules(redis, "unheard of")).verdict(QUESTION, HOTELS, NOTHING) is None


async def test_what_the_confidence_compared_is_not_embedded_again_for_the_quotes(redis: Redis) -> None:
    rules = Rules(redis, "m")
    await rules.keep(BY_NEAREST)
    vectors = Vectors()

    async def search(query: Query, audience: Audience, k: int) -> Retrieved:
        return Retrieved(hits=HOTELS[0].hits, signals=NOTHING)

    chain = build_chain(
        search, public, None, model_timeout=30, line=Line(30), embed=vectors, confidence=Confidence(vectors, rules)
    )
    *_, draft = [part async for part in chain.astream(Ask(question=QUESTION, audience=ANYONE))]
    assert isinstance(draft, Draft)
    assert draft.mode is AnswerMode.QUOTES
    assert sorted(vectors.asked) == sorted({QUESTION, *(spot.text for spot in passages(HOTELS[0].hits[0].chunk.text))})


async def test_nothing_is_told_without_signals_or_without_an_embedding(redis: Redis) -> None:
    rules = Rules(redis, "m")
    await rules.keep(BY_NEAREST)
    assert await Confidence(Vectors(), rules).verdict(QUESTION, HOTELS, None) is None
    assert await Confidence(away, rules).verdict(QUESTION, HOTELS, NOTHING) is None


async def test_a_calibration_counts_in_other_processes_within_seconds_and_can_be_taken_back(redis: Redis) -> None:
    seconds = 0.0
    there = Rules(redis, "all-MiniLM-L6-v2-int8", clock=lambda: seconds)
    measured = await there.rule()
    assert measured is not None
    here = Rules(redis, "all-MiniLM-L6-v2-int8")
    await here.keep(replace(measured, low=0.1))
    assert await there.rule() == measured
    seconds = 6.0
    assert await there.rule() == replace(measured, low=0.1)
    await here.forget()
    seconds = 12.0
    assert await there.rule() == measured


def test_every_sign_speaks_for_an_answer() -> None:
    rule = Rule(coverage=1, agreement=1, lead=1, nearest=1, bias=-2, low=0.3, high=0.5)
    none = Signs(coverage=0, agreement=0, lead=0, nearest=0)
    for sign in ("coverage", "agreement", "lead", "nearest"):
        assert rule.probability(replace(none, **{sign: 1.0})) > rule.probability(none)


async def test_a_page_that_has_the_questions_words_and_not_what_is_asked_for_is_refused(redis: Redis) -> None:
    rules = Rules(redis, "m")
    await rules.keep(replace(BY_NEAREST, nearest=0, bias=0))
    barn = evidence(
        hit("wiki:barn", "Fodder for the animals in the barn is brought by truck. Straw costs 3 euros.", title="Barn")
    )
    for question, verdict in (
        ("What does fodder for the animals in the barn cost?", Verdict.REFUSE),
        ("What does straw cost?", Verdict.UNSURE),
    ):
        assert await Confidence(Vectors(), rules).verdict(question, barn, NOTHING) is verdict

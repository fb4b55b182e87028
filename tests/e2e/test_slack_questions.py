"""Slack, the happy path: who asks what where, and what they see."""

from __future__ import annotations

from core.models import ANYONE
from tests.e2e.slack_dialogue import ANA, GENERAL, dialogue, says


async def test_a_mention_is_answered_in_its_thread() -> None:
    async with dialogue(says("Thirty **days** of leave.")) as talk, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, "how many days of leave do I have?")
        reply = await talk.slack.until_reply(question)
        assert reply.thread_ts == question.ts
        assert reply.shown == "Thirty *days* of leave."
        message, audience = talk.assistant.asked[0]
        assert (message.text, message.user, message.user_name) == ("how many days of leave do I have?", f"slack:{ANA}", "Ana")
        assert message.conversation_id == f"slack:T0FOOT:{GENERAL}:{question.ts}"
        assert audience == ANYONE

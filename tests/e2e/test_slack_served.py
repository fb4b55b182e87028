"""What stands below answers and at home, from one running `footnote serve`: the whole way, before and after a restart."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.team import ADMIN, ANA, a_team

EXPERT = "U7EXPERT"


@pytest.mark.slow
async def test_home_settings_feedback_and_a_call_work_in_the_served_bot(data_dir: Path) -> None:
    async with a_team(data_dir) as team:
        slack = team.slack
        slack.user(EXPERT, name="Eve", email="eve@acme.com")
        slack.api.pings.add(EXPERT)
        async with team.serving():
            await team.reindex()
            await slack.hands.open_home(ANA)
            home = await slack.hands.until_home(ANA)
            assert "*Folder* · 1 document that you may read · read" in home.shown
            assert 'What does "Leave" say?' in home.buttons
            await slack.hands.open_home(ANA, "messages")
            await slack.until(lambda: slack.api.views.prompts, what="the suggested questions")
            await slack.command(ADMIN, "C1", "/footnote", "config")
            form = await slack.hands.until_modal(ADMIN)
            assert "folder" in form.shown
            await slack.hands.submit(ADMIN, person=EXPERT)
            await slack.until(lambda: any("Saved" in whisper.shown for whisper in slack.whispers(ADMIN)), what="the word of it")
            asked = await slack.mention(ANA, "C1", "How many days of paid leave do I have?")
            reply = await slack.until_reply(asked)
        async with team.serving():
            await slack.press(ANA, reply, "Bad answer")
            await slack.hands.until_modal(ANA)
            await slack.hands.submit(ANA, reason="outdated", comment="It is 28 since May.")
            await slack.until(
                lambda: any("last edited on" in whisper.shown for whisper in slack.whispers(ANA)), what="the thanks"
            )
            await slack.press(ANA, reply, "Escalate")
            await slack.until(lambda: any(f"<@{EXPERT}>" in post.text for post in slack.replies(asked)), what="the call")
            (call,) = [post for post in slack.replies(asked) if f"<@{EXPERT}>" in post.text]
            assert "“How many days of paid leave do I have?”" in call.text
            await slack.press(EXPERT, call, "Mark resolved")
            await slack.until(lambda: "Resolved by Eve" in call.shown, what="the word that it is resolved")
            await slack.press(ANA, home, "What you remember")
            await slack.hands.until_modal(ANA, "I remember 1 question of yours")
        assert slack.flaws == []
        assert [call.error for call in slack.api.calls if call.error] == []

"""The page that shows what people see: of payloads that the platforms take, and harmless whatever they say."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner

from bots.cli import main
from bots.preview import discord, slack
from bots.preview.page import page
from bots.preview.samples import Sample, samples
from tests.emulators.discord_components import check_form, kept
from tests.emulators.slack_rules import flaws, refusal
from tests.emulators.slack_views import view_refusal

HOSTILE = "</pre><script>alert(1)</script><img src=x onerror=alert(2)> & <b>"
COMPONENTS_V2 = 1 << 15


@pytest.fixture(scope="module")
async def found() -> list[Sample]:
    return await samples()


class Tags(HTMLParser):
    """Closes what it opens, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in {"meta", "br", "hr"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def read(html: str) -> Tags:
    tags = Tags()
    tags.feed(html)
    assert tags.open == []
    return tags


async def test_every_message_that_it_shows_is_one_that_slack_takes(found: list[Sample]) -> None:
    for sample in found:
        for sent in sample.slack:
            if "type" in sent:
                assert view_refusal(sent) is None, sample.name
            else:
                assert refusal(sent) is None, sample.name
                assert flaws(sent, pings=["U7INES"]) == [], sample.name


async def test_every_message_that_it_shows_is_one_that_discord_takes(found: list[Sample]) -> None:
    for sample in found:
        for sent in sample.discord:
            if "title" in sent:
                check_form(dict(sent))
                continue
            v2 = bool(sent.get("flags", 0) & COMPONENTS_V2)
            assert v2 != bool(sent.get("content")), "content or components that hold text, never both"
            kept(list(sent.get("components", ())), v2=v2)


async def test_it_shows_each_kind_of_message_once_and_names_it_at_the_top(found: list[Sample]) -> None:
    shown = page(found)
    names = [sample.name for sample in found]
    assert len(set(names)) == len(names)
    assert re.findall(r'<section class="sample" id="([^"]+)"', shown) == names
    assert re.findall(r'<a href="#([^"]+)">', shown) == names
    assert "Travel and expenses" in shown


async def test_it_is_well_formed_and_loads_nothing_from_elsewhere(found: list[Sample]) -> None:
    for tag, attrs in read(page(found)).seen:
        assert tag not in {"img", "link", "iframe"}
        assert "src" not in attrs


async def test_nothing_that_is_sent_becomes_markup_of_the_page(found: list[Sample]) -> None:
    blocks = [{"type": "section", "text": {"type": kind, "text": HOSTILE}} for kind in ("mrkdwn", "plain_text")]
    contents = [{"content": HOSTILE}, {"components": [{"type": 10, "content": HOSTILE}]}]
    hostile = Sample(
        name="hostile", title=HOSTILE, about=HOSTILE, asked=HOSTILE, slack=[{"text": HOSTILE, "blocks": blocks}], discord=contents
    )
    tags = [tag for tag, _ in read(page([hostile])).seen]
    assert tags.count("script") == 1, "its own"
    assert "img" not in tags


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("*Bold* and _leaning_, 2*3*4", "<b>Bold</b> and <i>leaning</i>, 2*3*4"),
        ("see <https://a.example/x?a=1&amp;b=2|the *page*>", 'see <a href="https://a.example/x?a=1&amp;b=2">the *page*</a>'),
        ("`*a*` &lt;b&gt;", "<code>*a*</code> &lt;b&gt;"),
        ("```\nx = 1\n```\nafter", "<pre>x = 1</pre>after"),
        ("> one\n> two", "<blockquote>one<br>two</blockquote>"),
        ("hello <@U7INES>", 'hello <span class="mention">@U7INES</span>'),
    ],
)
def test_slacks_markup_is_shown_as_slack_does(sent: str, shown: str) -> None:
    assert slack.mrkdwn(sent) == shown


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("**Bold** and *leaning*, 2\\*3\\*4", "<div><b>Bold</b> and <i>leaning</i>, 2*3*4</div>"),
        ("as it says [[1]](<https://a.example/x>)", '<div>as it says <a href="https://a.example/x">[1]</a></div>'),
        ("-# small [page](<https://a.example>)", '<div class="small">small <a href="https://a.example">page</a></div>'),
        ("```py\nx = 1\n```", "<pre>x = 1</pre>"),
        ("## Leave", "<h5>Leave</h5>"),
        ("updated <t:1780900000:d>", '<div>updated <time data-at="1780900000"></time></div>'),
    ],
)
def test_discords_dialect_is_shown_as_discord_does(sent: str, shown: str) -> None:
    assert discord.markdown(sent) == shown


def test_the_command_writes_it_and_says_where(tmp_path: Path) -> None:
    out = tmp_path / "preview.html"
    result = CliRunner().invoke(main, ["preview", str(out)])
    assert (result.exit_code, str(out) in result.output) == (0, True)
    assert out.read_text().startswith("<!doctype html>")


def test_the_command_says_what_is_wrong_with_a_path_that_cannot_be_written(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["preview", str(tmp_path / "missing" / "preview.html")])
    assert result.exit_code == 1
    assert "cannot be written" in result.output

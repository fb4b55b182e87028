"""All samples on one page: as Slack shows them, as Discord does, and what is sent."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from importlib.resources import files

from bots.preview import discord, slack
from bots.preview.samples import AT, Payload, Sample

_SCRIPT = """\
const root = document.documentElement, toggle = document.getElementById("theme");
const show = (dark) => { root.dataset.theme = dark ? "dark" : "light"; toggle.textContent = dark ? "Light" : "Dark"; };
const wanted = location.hash.slice(1);
show(wanted === "dark" || (wanted !== "light" && matchMedia("(prefers-color-scheme: dark)").matches));
toggle.onclick = () => show(root.dataset.theme !== "dark");
for (const time of document.querySelectorAll("time")) time.textContent = new Date(time.dataset.at * 1000).toLocaleDateString();
"""


def page(samples: Sequence[Sample]) -> str:
    """One HTML document that needs nothing else: no script, style or picture from elsewhere."""
    css = (files("bots.preview") / "page.css").read_text()
    links = "".join(f'<a href="#{sample.name}">{escape(sample.title)}</a>' for sample in samples)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Footnote: what people see</title><style>{css}</style></head><body>
<button id="theme">Dark</button>
<main><h1>What people see</h1>
<p class="lead">Each kind of message as Slack and Discord show it, near enough to judge it by, and what is sent to them.</p>
<nav>{links}</nav>
{"".join(map(_sample, samples))}
</main><script>{_SCRIPT}</script></body></html>
"""


def _sample(sample: Sample) -> str:
    panes = _pane("Slack", sample, sample.slack, _in_slack) + _pane("Discord", sample, sample.discord, _in_discord)
    return (
        f'<section class="sample" id="{sample.name}"><h2>{escape(sample.title)}</h2><p>{escape(sample.about)}</p>'
        f'<div class="pair">{panes}</div></section>\n'
    )


def _pane(platform: str, sample: Sample, sent: Sequence[Payload], drawn: Callable[[Sample, Payload], str]) -> str:
    head = f'<div class="pane {platform.lower()}"><header>{platform}</header>'
    if not sent:
        return f'{head}<div class="nothing">Nothing of this kind is sent here.</div></div>'
    asked = _message(platform, "Ana", escape(sample.asked)) if sample.asked else ""
    payload = escape(json.dumps(list(sent), indent=2, ensure_ascii=False), quote=False)
    shown = _named("".join(drawn(sample, one) for one in sent), sample.names)
    return f"{head}{asked}{shown}<details><summary>What is sent</summary><pre>{payload}</pre></details></div>"


def _in_slack(sample: Sample, payload: Payload) -> str:
    if "title" not in payload and payload.get("type") != "home":
        return _message("Slack", "Footnote", slack.message(payload["blocks"]), alone=sample.alone)
    title, submit, close = (escape((payload.get(name) or {}).get("text", "")) for name in ("title", "submit", "close"))
    bar = f'<div class="bar">{title}<span>✕</span></div>' if title else ""
    buttons = "".join(f'<button class="{style}">{text}</button>' for text, style in ((close, ""), (submit, "primary")) if text)
    return f'<div class="form">{bar}{slack.message(payload["blocks"])}<div class="foot">{buttons}</div></div>'


def _in_discord(sample: Sample, payload: Payload) -> str:
    if "title" not in payload:
        return _message("Discord", "Footnote", discord.message(payload), alone=sample.alone)
    bar = f'<div class="bar">{escape(payload["title"])}<span>✕</span></div>'
    foot = '<div class="foot"><button>Cancel</button><button class="primary">Submit</button></div>'
    return f'<div class="form">{bar}{discord.components(payload["components"])}{foot}</div>'


def _message(platform: str, who: str, body: str, *, alone: bool = False) -> str:
    app = '<span class="app">APP</span>' if who == "Footnote" else ""
    note = {"Slack": "Only visible to you", "Discord": "Only you can see this"}[platform]
    above = f'<div class="alone">👁 {note}</div>' if alone and who == "Footnote" else ""
    face = "person" if who != "Footnote" else ""
    return (
        f'<div class="message"><div class="avatar {face}">{who[0]}</div><div>{above}'
        f'<div class="who">{who}{app}<span>{AT:%H:%M}</span></div>{body}</div></div>'
    )


def _named(shown: str, names: Mapping[str, str]) -> str:
    for id, name in names.items():
        shown = re.sub(rf"@{id}\b", f"@{escape(name)}", shown)
    return shown

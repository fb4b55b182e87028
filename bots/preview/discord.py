"""Discord's messages as HTML, as its desktop app shows them: near enough to judge a layout by."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

Component = Mapping[str, Any]

_BUTTON = {1: "primary", 2: "", 3: "success", 4: "danger", 5: "link"}
_FENCE = re.compile(r"```(?:[\w+#.-]*\n)?(.*?)\n?```", re.DOTALL)
_CODE = re.compile(r"``?([^`\n]+)``?")
_LINK = re.compile(r"\[((?:\\.|\[[^\[\]]*\]|[^\[\]\\])+)\]\(<?([^()<>\s]+)>?\)")
_TIME = re.compile(r"<t:(\d+)(?::\w)?>")
_MENTION = re.compile(r"<(@[!&]?|#)(\d+)>")
_ESCAPED = re.compile(r"\\([\W_])")
_STYLES = (
    (re.compile(r"\*\*(.+?)\*\*"), "b"),
    (re.compile(r"(?<![\w*])\*(\S.*?)\*(?![\w*])"), "i"),
    (re.compile(r"(?<!\w)_(\S.*?)_(?!\w)"), "i"),
    (re.compile(r"~~(.+?)~~"), "s"),
)


def message(payload: Mapping[str, Any]) -> str:
    """The body of one message: its content, and its components."""
    content = f'<div class="text">{markdown(payload["content"])}</div>' if payload.get("content") else ""
    return content + components(payload.get("components", ()))


def components(found: Iterable[Component]) -> str:
    return "\n".join(map(_component, found))


def _component(component: Component) -> str:
    match component["type"]:
        case 1:
            return f'<div class="actions">{components(component["components"])}</div>'
        case 2:
            emoji = (component.get("emoji") or {}).get("name", "")
            return f'<button class="{_BUTTON[component["style"]]}">{emoji} {escape(component.get("label") or "")}</button>'
        case 3 | 5 | 6 | 7 | 8:
            chosen = [option["label"] for option in component.get("options", ()) if option.get("default")]
            shown = ", ".join(chosen) or component.get("placeholder") or "Choose…"
            return f'<div class="field">{escape(shown)} <span class="arrow">▾</span></div>'
        case 4:
            hint = f'<span class="hint">{escape(component.get("placeholder") or "")}</span>'
            shown = escape(component["value"]) if component.get("value") else hint
            tall = " tall" if component.get("style") == 2 else ""
            label = f"<label>{escape(component['label'])}</label>" if component.get("label") else ""
            return f'{label}<div class="field{tall}">{shown}</div>'
        case 9:
            return (
                f'<div class="section"><div>{components(component["components"])}</div>'
                f'<div class="accessory">{_component(component["accessory"])}</div></div>'
            )
        case 10:
            return f'<div class="text">{markdown(component["content"])}</div>'
        case 14:
            return "<hr>" if component.get("divider", True) else '<div class="gap"></div>'
        case 17:
            color = component.get("accent_color")
            edge = f' style="border-left-color: #{color:06x}"' if color is not None else ""
            return f'<div class="container"{edge}>{components(component["components"])}</div>'
        case 18:
            note = f'<div class="small">{escape(component["description"])}</div>' if component.get("description") else ""
            return f"<label>{escape(component['label'])}</label>{note}{_component(component['component'])}"
        case 21:
            return "".join(f"<div>○ {escape(option['label'])}</div>" for option in component["options"])
        case other:
            return f'<div class="unknown">component {other}</div>'


def markdown(text: str) -> str:
    """Discord's dialect as HTML."""
    parts = _FENCE.split(text)
    return "".join(f"<pre>{escape(part)}</pre>" if position % 2 else _lines(part) for position, part in enumerate(parts))


def _lines(text: str) -> str:
    shown = []
    for line in text.strip("\n").split("\n") if text.strip("\n") else ():
        if found := re.match(r"(#{1,3}) (.*)", line):
            shown.append(f"<h{len(found[1]) + 3}>{_inline(found[2])}</h{len(found[1]) + 3}>")
        elif line.startswith("-# "):
            shown.append(f'<div class="small">{_inline(line[3:])}</div>')
        elif line.startswith("> "):
            shown.append(f"<blockquote>{_inline(line[2:])}</blockquote>")
        elif found := re.match(r"( *)[-*] (.*)", line):
            shown.append(f'<div class="item" style="margin-left: {len(found[1]) / 2 + 1}em">• {_inline(found[2])}</div>')
        else:
            shown.append(f"<div>{_inline(line) or '&nbsp;'}</div>")
    return "".join(shown).replace("</blockquote><blockquote>", "<br>")


def _inline(line: str) -> str:
    parts = _CODE.split(line)
    return "".join(f"<code>{escape(part)}</code>" if position % 2 else _linked(part) for position, part in enumerate(parts))


def _linked(text: str) -> str:
    end, shown = 0, ""
    for found in _LINK.finditer(text):
        shown += _styled(text[end : found.start()]) + f'<a href="{escape(found[2])}">{_styled(found[1])}</a>'
        end = found.end()
    return shown + _styled(text[end:])


def _styled(text: str) -> str:
    # What is escaped is set aside, so that no style is made of it.
    kept: list[str] = []

    def keep(found: re.Match[str]) -> str:
        kept.append(escape(found[1]))
        return f"\x00{len(kept) - 1}\x00"

    text = _ESCAPED.sub(keep, text)
    text = _TIME.sub(lambda found: f"\x01{found[1]}\x01", text)
    text = _MENTION.sub(lambda found: f"\x02{found[1]}{found[2]}\x02", text)
    text = escape(text, quote=False)
    for pattern, tag in _STYLES:
        text = pattern.sub(rf"<{tag}>\1</{tag}>", text)
    text = re.sub("\x01(\\d+)\x01", lambda found: f'<time data-at="{found[1]}"></time>', text)
    text = re.sub("\x02([^\x02]*)\x02", r'<span class="mention">\1</span>', text)
    return re.sub("\x00(\\d+)\x00", lambda found: kept[int(found[1])], text)

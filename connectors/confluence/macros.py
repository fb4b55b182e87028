"""What the macros and references of the storage format say. Their parameters are settings, and say nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Names = Mapping[str, str]
"""A user's key (account id, or user key of a Data Center) to the name that people see."""

DROPPED = frozenset({"anchor", "children", "html", "html-include", "livesearch", "style", "toc"})
"""Macros with nothing in them that a reader of the page would read."""
VERBATIM = frozenset({"code", "noformat"})
TITLED = VERBATIM | {"expand", "info", "note", "panel", "tip", "ui-expand", "warning"}
"""Macros that show their title."""
INCLUDES = frozenset({"include", "excerpt-include"})
"""What they show is another page's, and may be for fewer people: it is read where it lies."""
INLINE = frozenset({"jira", "profile", "status", "view-file", "viewdoc", "viewpdf", "viewppt", "viewxls"})

_EMOTICONS = {
    "tick": "✅",
    "cross": "❌",
    "warning": "⚠",
    "information": "ℹ",
    "question": "❓",
    "thumbs-up": "👍",
    "thumbs-down": "👎",
}


def parameter(macro: Any, name: str) -> str:
    """The text of a macro's setting; empty when it has none."""
    return next((text_of(child) for child in macro.iterchildren("ac:parameter") if child.get("ac:name", "") == name), "")


def verbatim(macro: Any) -> str | None:
    """A macro's body as it was typed, or None when it has no such body."""
    body = next(macro.iterchildren("ac:plain-text-body"), None)
    return None if body is None else "".join(body.itertext())


def inline_macro(macro: Any, names: Names) -> str:
    match macro.get("ac:name", ""):
        case "status":
            return parameter(macro, "title")
        case "jira":
            return parameter(macro, "key")
        case _:
            return next((reference(resource, names) for resource in macro.iter(*_RESOURCES)), "")


def included(macro: Any, names: Names) -> str:
    """What an include stands for: the page's title."""
    found = next((reference(resource, names) for resource in macro.iter(*_RESOURCES)), "")
    return found or parameter(macro, "") or parameter(macro, "default-parameter")


def link(element: Any, names: Names) -> str:
    """A link's text, and what it leads to where that is something else."""
    bodies = element.iterchildren("ac:plain-text-link-body", "ac:link-body")
    text = next((text_of(body) for body in bodies), "")
    target = next((reference(resource, names) for resource in element.iterchildren(*_RESOURCES)), "")
    if not text or not target or target in text:
        return text or target
    return f"{text} ({target})"


def reference(resource: Any, names: Names) -> str:
    """A page, a file or a person, named as people name it."""
    match resource.tag:
        case "ri:user":
            return next((names[key] for key in _keys(resource) if key in names), "somebody")
        case "ri:attachment":
            return str(resource.get("ri:filename", ""))
        case "ri:space":
            return str(resource.get("ri:space-key", ""))
        case "ri:url":
            return str(resource.get("ri:value", ""))
        case _:
            title, space = resource.get("ri:content-title", ""), resource.get("ri:space-key", "")
            return f"{title} in {space}" if title and space else title or space


def emoticon(element: Any) -> str:
    fallback = element.get("ac:emoji-fallback", "")
    return fallback if fallback and not fallback.isascii() else _EMOTICONS.get(element.get("ac:name", ""), "")


def caption(image: Any) -> str:
    """What is said of a picture, and not its file's name."""
    said = (image.get("ac:alt", "") or image.get("alt", ""), *(text_of(part) for part in image.iterchildren("ac:caption")))
    file = next((reference(resource, {}) for resource in image.iterchildren("ri:attachment")), "")
    return " ".join(dict.fromkeys(text.strip() for text in said if text.strip() and text.strip() != file))


def text_of(element: Any) -> str:
    """All text in it, in one line."""
    return " ".join("".join(element.itertext()).split())


def _keys(user: Any) -> list[str]:
    return [key for name in ("ri:account-id", "ri:userkey", "ri:username") if (key := user.get(name))]


_RESOURCES = ("ri:page", "ri:blog-post", "ri:content-entity", "ri:attachment", "ri:user", "ri:space", "ri:url", "ri:shortcut")

"""The YAML block between two lines ``---`` at the top of a Markdown file: title, date, owner, and who may read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

import yaml

from connectors.folder.access import AccessUnknown, principals
from core.models import Principal

_KEYS = ("access", "read")
# Words by which people believe that they restrict a page. Read as nothing, they would publish it.
_LOOK_ALIKES = frozenset(
    {"acces", "acess", "acl", "allow", "allowed", "can_read", "permission", "permissions", "private", "reader", "readers"}
    | {"read_access", "restrict", "restricted", "restricted_to", "viewers", "visibility", "visible_to", "who_may_read"}
)
_SOUNDS_LIKE_ACCESS = re.compile(rf"\b({'|'.join(sorted({*_KEYS, *_LOOK_ALIKES}))})\b[\"']?\s*:", re.IGNORECASE)
_ADDRESS = re.compile(r"[^\s@:,<>]+@[^\s@:,<>]+")
_LIMIT = 64 * 1024
_OPENING = re.compile(r"---[ \t]*\r?\n")
_CLOSING = re.compile(r"^(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class FrontMatter:
    title: str = ""
    updated: datetime | None = None
    readers: frozenset[Principal] | None = None
    """Who may read the page, or None when it does not say."""
    owners: tuple[Principal, ...] = ()
    """Who looks after the page. What is no e-mail address is left out."""


def split_front_matter(text: str) -> tuple[FrontMatter, str]:
    """The front matter and the body below it. Text that only looks like front matter stays in the body.

    Raises AccessUnknown when it speaks of access and cannot be understood.
    """
    opening = _OPENING.match(text)
    if opening is None:
        return FrontMatter(), text
    closing = _CLOSING.search(text, opening.end(), opening.end() + _LIMIT)
    if closing is None:
        head = text[opening.end() : opening.end() + _LIMIT]
        _refuse_if_it_speaks_of_access(head, "has no closing line ---")
        return FrontMatter(), text
    head, body = text[opening.end() : closing.start()], text[closing.end() :]
    try:
        node = yaml.compose(head, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        _refuse_if_it_speaks_of_access(head, f"is not valid YAML ({getattr(error, 'problem', None) or 'nested too deeply'})")
        return FrontMatter(), body
    if not isinstance(node, yaml.MappingNode):
        _refuse_if_it_speaks_of_access(head, "is not a list of `name: value` lines")
        return FrontMatter(), text if head.strip() else body
    return _read(node), body


def _refuse_if_it_speaks_of_access(head: str, problem: str) -> None:
    if _SOUNDS_LIKE_ACCESS.search(head):
        raise AccessUnknown(f"the front matter {problem}, so it cannot be told who may read this page: mend it")


def _read(node: yaml.MappingNode) -> FrontMatter:
    fields: dict[str, yaml.Node] = {}
    for key_node, value in node.value:
        key = str(key_node.value).strip().casefold() if isinstance(key_node, yaml.ScalarNode) else ""
        if key in _LOOK_ALIKES or key == "<<":
            raise AccessUnknown(f"the front matter says {key!r}, which means nothing here: write `access: [group:NAME]`")
        if key in fields and key in _KEYS:
            raise AccessUnknown(f"the front matter says {key!r} twice: say once who may read this page")
        fields[key] = value
    declared = [key for key in _KEYS if key in fields]
    if len(declared) > 1:
        raise AccessUnknown("the front matter says both `access` and `read`: say once who may read this page")
    return FrontMatter(
        title=" ".join(_scalar(fields.get("title")).split()),
        updated=_date(_scalar(fields.get("updated"))),
        owners=_owners(fields.get("owner")),
        readers=principals(_plain(fields[declared[0]]), f"`{declared[0]}` in the front matter") if declared else None,
    )


def _owners(node: yaml.Node | None) -> tuple[Principal, ...]:
    named = _plain(node) if node is not None else None
    people = [str(name or "").strip().removeprefix("user:").lower() for name in (named if isinstance(named, list) else [named])]
    return tuple(dict.fromkeys(f"user:{person}" for person in people if _ADDRESS.fullmatch(person)))


def _plain(node: yaml.Node) -> object:
    """Text or a list of text, as written: ``no`` stays a word and an alias is not followed into a bomb."""
    if isinstance(node, yaml.ScalarNode):
        return node.value
    if isinstance(node, yaml.SequenceNode):
        return [item.value if isinstance(item, yaml.ScalarNode) else None for item in node.value]
    return None


def _scalar(node: yaml.Node | None) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""


def _date(text: str) -> datetime | None:
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)

"""Components as Discord judges and keeps them: of messages in the old and the new way, and of forms."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

V2 = 1 << 15
ROW, BUTTON, SELECT, INPUT, SECTION, TEXT, SEPARATOR, CONTAINER, LABEL, RADIO = 1, 2, 3, 4, 9, 10, 14, 17, 18, 21
MOST_CHARACTERS = 2000
MOST_COMPONENTS = 40
MOST_TEXT = 4000
_INSIDE = {ROW, SECTION, TEXT, SEPARATOR}


class Unfit(Exception):
    """Of which field, why, and with which of Discord's codes; ``number`` is that of the whole answer."""

    def __init__(self, field: str, message: str, code: str = "BASE_TYPE_BAD", number: int = 50035) -> None:
        super().__init__(message)
        self.field, self.message, self.code, self.number = field, message, code, number


def check_message(body: Json, flags: int) -> list[Json]:
    """The components of a message that shows something, in one of the two ways. Raises Unfit."""
    content, components = body.get("content") or "", body.get("components") or []
    if flags & V2:
        unmixed = not (content or body.get("embeds"))
        told = "The 'content' field cannot be used with MessageFlags.IS_COMPONENTS_V2"
        _check(unmixed, "content", told, "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2")
        return kept(components, v2=True)
    fits = units(content) <= MOST_CHARACTERS
    _check(fits, "content", f"Must be {MOST_CHARACTERS} or fewer in length.", "BASE_TYPE_MAX_LENGTH")
    if not content.strip():
        raise Unfit("content", "Cannot send an empty message", number=50006)
    return kept(components, v2=False)


def kept(components: list[Json], *, v2: bool) -> list[Json]:
    """As Discord keeps them: each part gets a number. Raises Unfit."""
    if v2:
        _check(bool(components), "components", "This field is required", "BASE_TYPE_REQUIRED")
        for component in components:
            _check_layout(component, {*_INSIDE, CONTAINER})
        parts = list(walk(components))
        _check(
            len(parts) <= MOST_COMPONENTS, "components", f"Must be {MOST_COMPONENTS} or fewer in length.", "BASE_TYPE_MAX_LENGTH"
        )
        texts = [part["content"] for part in parts if part["type"] == TEXT]
        _check(
            sum(map(units, texts)) <= MOST_TEXT,
            "components",
            "The text exceeds the maximum",
            "COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED",
        )
    else:
        _check(len(components) <= 5, "components", "Must be 5 or fewer in length.", "BASE_TYPE_MAX_LENGTH")
        for row in components:
            _check(row.get("type") == ROW, "components", "Only action rows may stand outside of the new components")
            _check_layout(row, {ROW})
    ids = [part["custom_id"] for part in walk(components) if "custom_id" in part]
    _check(len(ids) == len(set(ids)), "custom_id", "Component custom id cannot be duplicated", "COMPONENT_CUSTOM_ID_DUPLICATED")
    numbers = itertools.count(1)
    return [_numbered(component, numbers) for component in components]


def check_form(form: Json) -> None:
    """Raises Unfit for a modal that Discord would not open."""
    _length(form, "title", 1, 45)
    _length(form, "custom_id", 1, 100)
    labels = form.get("components", [])
    _check(1 <= len(labels) <= 5, "components", "Must be between 1 and 5 in length.", "BASE_TYPE_BAD_LENGTH")
    ids = []
    for label in labels:
        _check(label.get("type") == LABEL, "components", f"the emulator does not know {label} in a form")
        _length(label, "label", 1, 45)
        _length(label, "description", 0, 100)
        field = label.get("component") or {}
        ids.append(field.get("custom_id"))
        _length(field, "custom_id", 1, 100)
        if field.get("type") == INPUT:
            _check(field.get("style") in (1, 2), "style", "Value must be one of {1, 2}.")
            _check(field.get("label") is None, "label", "A text input inside a label has none")
            _length(field, "placeholder", 0, 100)
            _check(1 <= field.get("max_length", 4000) <= 4000, "max_length", "int value should be between 1 and 4000")
        elif field.get("type") in (RADIO, SELECT):
            least, most = (2, 10) if field["type"] == RADIO else (1, 25)
            _check_options(field.get("options", []), least, most)
        else:
            raise Unfit("components", f"the emulator does not know the field {field}")
    _check(len(ids) == len(set(ids)), "custom_id", "Component custom id cannot be duplicated", "COMPONENT_CUSTOM_ID_DUPLICATED")


def walk(components: list[Json]) -> Iterator[Json]:
    """All of them, the outer ones first."""
    for component in components:
        yield component
        yield from walk(component.get("components", []))
        if "accessory" in component:
            yield component["accessory"]


def text_of(components: list[Json]) -> str:
    """What people read."""
    return "\n\n".join(part["content"] for part in walk(components) if part["type"] == TEXT)


def buttons_of(components: list[Json]) -> list[Json]:
    return [part for part in walk(components) if part["type"] == BUTTON]


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _check_layout(component: Json, allowed: set[int]) -> None:
    kind = component.get("type")
    _check(kind in allowed, "components", f'Value of field "type" must be one of {sorted(allowed)}, and is {kind}.')
    inner = component.get("components", [])
    match kind:
        case 1:
            _check_row(inner)
        case 9:
            _check(1 <= len(inner) <= 3, "components", "Must be between 1 and 3 in length.", "BASE_TYPE_BAD_LENGTH")
            for text in inner:
                _check_layout(text, {TEXT})
            _check_button(component.get("accessory") or {})
        case 10:
            _check(bool(component.get("content", "").strip()), "content", "This field is required", "BASE_TYPE_REQUIRED")
            _length(component, "content", 1, MOST_TEXT)
        case 14:
            _check(component.get("spacing", 1) in (1, 2), "spacing", "Value must be one of {1, 2}.")
        case 17:
            _check(bool(inner), "components", "This field is required", "BASE_TYPE_REQUIRED")
            _check(0 <= (component.get("accent_color") or 0) <= 0xFFFFFF, "accent_color", "int value should be a colour")
            for part in inner:
                _check_layout(part, _INSIDE)


def _check_row(inner: list[Json]) -> None:
    if [part.get("type") for part in inner] == [SELECT]:
        _length(inner[0], "custom_id", 1, 100)
        _length(inner[0], "placeholder", 0, 150)
        _check_options(inner[0].get("options", []), 1, 25)
        return
    _check(1 <= len(inner) <= 5, "components", "Must be between 1 and 5 in length.", "BASE_TYPE_BAD_LENGTH")
    for button in inner:
        _check_button(button)


def _check_button(button: Json) -> None:
    _check(button.get("type") == BUTTON, "components", f"the emulator does not know the component {button}")
    _check(button.get("style") in range(1, 5), "style", "Value must be one of {1, 2, 3, 4}.")
    _length(button, "label", 1, 80)
    _length(button, "custom_id", 1, 100)


def _check_options(options: list[Json], least: int, most: int) -> None:
    _check(least <= len(options) <= most, "options", f"Must be between {least} and {most} in length.", "BASE_TYPE_BAD_LENGTH")
    for option in options:
        _length(option, "label", 1, 100)
        _length(option, "value", 1, 100)
        _length(option, "description", 0, 100)
    values = [option["value"] for option in options]
    _check(
        len(values) == len(set(values)),
        "options",
        "The specified option value is already used",
        "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED",
    )


def _length(part: Json, field: str, least: int, most: int) -> None:
    fits = least <= units(part.get(field) or "") <= most
    _check(fits, field, f"Must be between {least} and {most} in length.", "BASE_TYPE_BAD_LENGTH")


def _check(fine: bool, field: str, message: str, code: str = "BASE_TYPE_BAD") -> None:
    if not fine:
        raise Unfit(field, message, code)


def _numbered(component: Json, numbers: Iterator[int]) -> Json:
    number = next(numbers)
    stored = {key: value for key, value in component.items() if value is not None} | {"id": number}
    if "components" in stored:
        stored["components"] = [_numbered(inner, numbers) for inner in stored["components"]]
    if "accessory" in stored:
        stored["accessory"] = _numbered(stored["accessory"], numbers)
    return stored

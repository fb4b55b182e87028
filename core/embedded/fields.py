"""JSON objects of Qdrant's REST API, read strictly: a field that nobody reads is refused by name, never ignored."""

from __future__ import annotations

from typing import Any, NoReturn, TypeVar

Value = TypeVar("Value")


class Refused(Exception):
    """A request that is answered with an error: ``status`` is the HTTP status, the text says what is wrong with which value."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status

    @classmethod
    def bad(cls, text: str) -> Refused:
        return cls(400, f"Wrong input: {text}")

    @classmethod
    def missing(cls, text: str) -> Refused:
        return cls(404, f"Not found: {text}")

    @classmethod
    def unsupported(cls, what: str) -> Refused:
        return cls(501, f"Not supported by the embedded engine: {what}. Set QDRANT_URL to use a Qdrant server for it.")


class Fields:
    """One JSON object. Take every field that is understood, then call :meth:`finish`; null stands for absent, as in Qdrant."""

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise Refused.bad(f"{where} must be an object, not {_kind(value)}")
        self.where = where
        self.rest = {name: item for name, item in value.items() if item is not None}
        """What nobody has taken yet."""

    def __contains__(self, name: str) -> bool:
        return name in self.rest

    def take(self, name: str, default: Any = None) -> Any:
        return self.rest.pop(name, default)

    def require(self, name: str) -> Any:
        return self._required(name, self.take(name))

    def text(self, name: str) -> str | None:
        return self._typed(name, str, "a string")

    def required_text(self, name: str) -> str:
        return self._required(name, self.text(name))

    def flag(self, name: str) -> bool | None:
        return self._typed(name, bool, "a boolean")

    def number(self, name: str) -> float | None:
        value = self.take(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._mistyped(name, value, "a number")
        return float(value)

    def required_number(self, name: str) -> float:
        return self._required(name, self.number(name))

    def count(self, name: str, least: int = 0) -> int | None:
        """An integer of at least ``least``; Qdrant's counts have 32 bits here."""
        value = self.take(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**32:
            self._mistyped(name, value, f"an integer of at least {least}")
        return value

    def required_count(self, name: str, least: int = 0) -> int:
        return self._required(name, self.count(name, least))

    def items(self, name: str) -> list[Any] | None:
        return self._typed(name, list, "an array")

    def required_items(self, name: str) -> list[Any]:
        return self._required(name, self.items(name))

    def object(self, name: str) -> Fields | None:
        value = self.take(name)
        return None if value is None else Fields(value, f"{self.where}.{name}")

    def finish(self) -> None:
        for name in self.rest:
            raise Refused.unsupported(f"the field `{name}` in {self.where}")

    def _required(self, name: str, value: Value | None) -> Value:
        if value is None:
            raise Refused.bad(f"{self.where} lacks the field `{name}`")
        return value

    def _typed(self, name: str, kind: type[Value], called: str) -> Value | None:
        value = self.take(name)
        if value is None or isinstance(value, kind):
            return value
        self._mistyped(name, value, called)

    def _mistyped(self, name: str, value: Any, called: str) -> NoReturn:
        raise Refused.bad(f"{self.where}.{name} must be {called}, not {_kind(value)}")


def one_or_many(value: Any) -> list[Any]:
    """Qdrant lets a lone item stand for a list of one."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _kind(value: Any) -> str:
    """What a refusal shows of a value: numbers as they are, of texts and containers only the kind."""
    for kind, called in ((str, "a string"), (list, "an array"), (dict, "an object")):
        if isinstance(value, kind):
            return called
    return repr(value)

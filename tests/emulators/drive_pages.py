"""Page tokens: opaque, good for the same question only, and refused once they have expired."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping

from tests.emulators.drive_errors import Refused, invalid

_NOT_BOUND = {"pageToken", "pageSize", "maxResults", "fields", "alt", "key", "prettyPrint", "quotaUser"}


class Pages:
    def __init__(self) -> None:
        self._secret = secrets.token_bytes(16)
        self._generation = 0
        self._oldest = 0
        self._status = 400

    def expire(self, status: int = 400) -> None:
        """Each token so far is refused with this status: 400, or 410."""
        self._generation += 1
        self._oldest = self._generation
        self._status = status

    def make(self, question: Mapping[str, object], position: int) -> str:
        body = json.dumps([_digest(question), position, self._generation]).encode()
        return base64.urlsafe_b64encode(self._sign(body) + body).decode().rstrip("=")

    def read(self, token: str, question: Mapping[str, object]) -> int:
        """The position in the answer to this question."""
        try:
            signed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except ValueError:
            raise self.refusal() from None
        if not hmac.compare_digest(signed[:8], self._sign(signed[8:])):
            raise self.refusal()
        digest, position, generation = json.loads(signed[8:])
        if digest != _digest(question):
            raise self.refusal()
        if generation < self._oldest:
            raise self.refusal(self._status)
        return int(position)

    def refusal(self, status: int = 400) -> Refused:
        if status == 410:
            return Refused("pageTokenExpired", "The page token has expired.", status=410, location=("pageToken", "parameter"))
        return invalid("Invalid Value", "pageToken")

    def _sign(self, body: bytes) -> bytes:
        return hmac.digest(self._secret, body, "sha256")[:8]


def _digest(question: Mapping[str, object]) -> str:
    bound = {name: value for name, value in question.items() if name not in _NOT_BOUND}
    return hashlib.sha256(json.dumps(bound, sort_keys=True).encode()).hexdigest()[:16]

"""The token that a Confluence is asked with."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping

from core.errors import AuthError
from core.redaction import register
from core.settings import ConfluenceConfig


class Unreadable(AuthError):
    """The Confluence token cannot be read."""


class Token:
    """Basic with an e-mail address, Bearer without one. A token file is read again when its token was refused."""

    def __init__(self, config: ConfluenceConfig) -> None:
        self._email = config.email
        self._file = config.api_token_file
        self._secret = config.api_token.get_secret_value().strip() if config.api_token else ""

    async def headers(self) -> Mapping[str, str]:
        if not self._secret:
            self._secret = self._read()
        if not re.fullmatch("[!-~]+", self._secret):
            raise Unreadable(
                "the Confluence token holds a space, a line break or something invisible that was copied with it: "
                f"copy it again into {self._file or 'CONFLUENCE_API_TOKEN'}"
            )
        if self._email is None:
            return {"Authorization": f"Bearer {self._secret}"}
        return {"Authorization": "Basic " + base64.b64encode(f"{self._email}:{self._secret}".encode()).decode()}

    async def renew(self) -> bool:
        if self._file is None:
            return False
        refused, self._secret = self._secret, self._read()
        return self._secret != refused

    def _read(self) -> str:
        assert self._file is not None
        try:
            secret = self._file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Unreadable(
                f"the file of the Confluence token, {self._file}, cannot be read: mend CONFLUENCE_API_TOKEN_FILE"
            ) from error
        if not secret:
            raise Unreadable(f"the file of the Confluence token, {self._file}, is empty: write the token into it")
        register(secret)
        return secret

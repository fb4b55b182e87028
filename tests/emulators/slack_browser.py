"""Somebody's browser, with which they let an app into their workspace: it keeps cookies, and shows what they read."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Self
from urllib.parse import urlsplit

import aiohttp

_TAGS = re.compile(r"<style.*?</style>|<[^>]+>", re.DOTALL)
_REQUEST = re.compile(r'name="request" value="(\w+)"')


@dataclass(frozen=True)
class Page:
    status: int
    html: str
    address: str
    location: str
    """Where it sends the browser on."""
    headers: dict[str, str]

    @property
    def shown(self) -> str:
        """What people read."""
        return " ".join(html.unescape(_TAGS.sub(" ", self.html)).split())


@dataclass
class Browser:
    """One person's. The cookies of this browser are ``Secure``, and are sent over plain HTTP on loopback all the same."""

    home: str
    """The address of the app's own server."""
    cookies: dict[str, str] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def get(self, address: str) -> Page:
        """One page, without following it."""
        address = address if "://" in address else f"{self.home}{address}"
        ours = address.startswith(self.home)
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())} if ours else {}
        async with self._session.get(address, headers=headers, allow_redirects=False) as response:
            for line in response.headers.getall("Set-Cookie", []) if ours else []:
                for name, morsel in SimpleCookie(line).items():
                    self.cookies[name] = morsel.value
            text, location = await response.text(), response.headers.get("Location", "")
            return Page(response.status, text, address, location, dict(response.headers))

    async def ask(self) -> Page:
        """From the app's page to the one on which Slack asks."""
        return await self.get((await self.get("/slack/install")).location)

    async def decide(self, consent: Page, where: str, decision: str = "allow") -> str:
        """Press a button on that page, in a workspace or an organisation; where Slack sends the browser then."""
        request = _REQUEST.search(consent.html)
        assert request, consent.shown
        form = {"request": request[1], "where": where, "decision": decision}
        async with self._session.post(consent.address.partition("?")[0], data=form, allow_redirects=False) as response:
            address = response.headers["Location"]
        assert urlsplit(address).path == "/slack/oauth_redirect"
        return address

    async def install(self, where: str, decision: str = "allow") -> Page:
        """All of it; the page at the end."""
        return await self.get(await self.decide(await self.ask(), where, decision))

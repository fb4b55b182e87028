"""Getting in: addresses, tokens, the gateway, and what is said when it does not work."""

from __future__ import annotations

import base64

import httpx
import pytest

from core.errors import AuthError, ConfigError, FootnoteError, TransientError
from tests.emulators.confluence import CLOUD_ID, SCOPES
from tests.unit.connectors.confluence.conftest import Acme

GATEWAY = f"https://api.atlassian.com/ex/confluence/{CLOUD_ID}"


@pytest.fixture
async def scoped():
    acme = Acme(scopes=SCOPES)
    yield acme
    await acme.close()
    assert acme.api.flaws == []


class TestCheck:
    async def test_it_says_in_one_line_what_was_reached(self, either: Acme):
        flavour = "Data Center" if either.site.data_center else "Cloud"
        assert await either.source.check() == f"Confluence {flavour} at {either.api.url} as Footnote: 1 space"

    @pytest.mark.parametrize(
        "url", ["https://acme.atlassian.net", "https://acme.atlassian.net/", "https://acme.atlassian.net/wiki"]
    )
    async def test_a_cloud_site_has_many_spellings(self, acme: Acme, url: str):
        assert "1 space" in await acme.connect(url=url).check()

    async def test_a_data_center_may_have_a_path_of_its_own(self):
        acme = Acme(data_center=True, context="/confluence")
        page = acme.site.page(acme.eng, "Leave", "<p>Thirty.</p>")
        assert "Data Center at https://confluence.acme.com/confluence" in await acme.source.check()
        await acme.sync()
        assert acme.text_of(page) == "Thirty."
        await acme.close()

    async def test_a_wrong_address_is_named(self, either: Acme):
        flavour = {"email": None} if either.site.data_center else {}
        source = either.connect(url=either.api.url + "/elsewhere", **flavour)
        with pytest.raises(ConfigError, match="CONFLUENCE_URL"):
            await source.check()

    async def test_so_it_is_by_a_sync(self, either: Acme):
        either.source = either.connect(url=either.api.url + "/elsewhere")
        with pytest.raises(ConfigError, match=r"there is no Confluence .* correct CONFLUENCE_URL"):
            await either.sync()

    async def test_a_data_center_that_is_taken_for_cloud_is_told_apart(self, data_center: Acme):
        with pytest.raises(ConfigError, match=r"no Confluence Cloud .*CONFLUENCE_EMAIL \(unset it for a Data Center\)"):
            await data_center.connect(email="footnote@acme.com").check()

    async def test_an_address_where_nobody_is_is_named(self, either: Acme):
        either.source = either.connect(url="https://nobody.example")
        with pytest.raises(TransientError, match=r"nobody\.example.*CONFLUENCE_URL"):
            await either.source.check()
        with pytest.raises(TransientError, match=r"nobody\.example.*CONFLUENCE_URL"):
            await either.sync()

    async def test_a_login_page_is_told_from_an_answer_and_quickly(self, either: Acme):
        either.api.fail(html=True, times=float("inf"))
        with pytest.raises(TransientError, match=r"not JSON, as a login page .*CONFLUENCE_URL"):
            await either.source.check()
        assert len(either.api.requests) <= 3

    async def test_a_space_that_is_not_there_is_named(self, either: Acme):
        with pytest.raises(AuthError, match=r"NOPE vanished.*CONFLUENCE_SPACES"):
            await either.connect(spaces=("ENG", "NOPE")).check()

    async def test_an_account_that_may_not_use_the_api_is_told_so(self, either: Acme):
        either.api.fail(status=403, times=float("inf"))
        with pytest.raises(AuthError, match="403"):
            await either.source.check()

    async def test_no_text_shows_the_token(self, either: Acme):
        either.api.credentials.revoke()
        with pytest.raises(FootnoteError) as refused:
            await either.source.check()
        assert "token-1" not in str(refused.value) + repr(refused.value.__cause__)


class TestTokens:
    async def test_a_classic_token_goes_with_its_address_to_the_site(self, acme: Acme):
        asked = []
        source = acme.connect(transport=Watching(acme.api, asked))
        await source.check()
        basic = base64.b64encode(b"footnote@acme.com:token-1").decode()
        assert {(str(request.url.host), request.headers["authorization"]) for request in asked} == {
            ("acme.atlassian.net", f"Basic {basic}")
        }

    async def test_a_bad_token_says_what_to_renew(self, either: Acme):
        with pytest.raises(AuthError, match=r"refused the token \(401\).*CONFLUENCE_API_TOKEN"):
            await either.connect(api_token="wrong").check()

    @pytest.mark.parametrize("content", [None, "", "\n", b"\xff\xfe"])
    async def test_a_token_file_that_cannot_be_read_is_named(self, either: Acme, tmp_path, content):
        file = tmp_path / "token"
        if content is not None:
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(AuthError, match=str(file)):
            await either.connect(api_token=None, api_token_file=file).check()

    @pytest.mark.parametrize("token", ["to ken", "token\nX-Evil: 1", "token\u200b", "tok\u00e9n", "\u202etoken"])
    async def test_a_token_that_was_copied_with_something_else_is_said_to_be_so_and_not_shown(
        self, either: Acme, tmp_path, token: str
    ):
        file = tmp_path / "token"
        file.write_text(token)
        for source, named in (
            (either.connect(api_token=token), "CONFLUENCE_API_TOKEN"),
            (either.connect(api_token=None, api_token_file=file), str(file)),
        ):
            with pytest.raises(AuthError, match=f"something invisible.*{named}") as refused:
                await source.check()
            assert token not in str(refused.value)
        assert either.api.requests == []

    async def test_space_around_a_token_is_none_of_it(self, either: Acme):
        assert "1 space" in await either.connect(api_token=f" {either.api.token}\n").check()

    async def test_the_credential_stays_at_home_when_a_file_is_elsewhere(self, acme: Acme):
        asked = []
        acme.source = acme.connect(transport=Watching(acme.api, asked))
        acme.site.attach(acme.site.page(acme.eng, "Leave", "<p>x</p>"), "a.txt", b"file")
        assert "a.txt" in await acme.documents()
        elsewhere = [request for request in asked if request.url.host == "api.media.atlassian.com"]
        assert elsewhere
        assert not any("authorization" in request.headers for request in elsewhere)


class TestScopedTokens:
    @pytest.mark.parametrize("email", ["footnote@acme.com", None])
    @pytest.mark.parametrize("url", ["https://acme.atlassian.net", "https://acme.atlassian.net/wiki", GATEWAY])
    async def test_one_works_at_the_gateway_wherever_it_was_sent(self, scoped: Acme, url: str, email: str | None):
        scoped.source = scoped.connect(url=url, email=email)
        page = scoped.site.page(scoped.eng, "Leave", "<p>Thirty.</p>")
        scoped.site.attach(page, "a.txt", b"file")
        documents = await scoped.documents()
        assert documents.keys() == {"Leave", "a.txt"}
        assert documents["Leave"].url.startswith("https://acme.atlassian.net/wiki/spaces/ENG/")

    async def test_the_gateway_is_found_once(self, scoped: Acme):
        source = scoped.connect(url="https://acme.atlassian.net")
        await source.check()
        scoped.api.forget()
        await source.check()
        assert {request.path.startswith("/ex/confluence/") for request in scoped.api.requests} == {True}

    async def test_listings_of_many_pages_go_on_at_the_gateway(self, scoped: Acme):
        for number in range(300):
            scoped.site.page(scoped.eng, f"Page {number}", "<p>x</p>")
        assert len(await scoped.documents()) == 300

    async def test_a_bad_one_says_that_the_gateway_was_asked(self, scoped: Acme):
        with pytest.raises(AuthError, match=r"\(401\), and so did Atlassian's gateway"):
            await scoped.connect(url="https://acme.atlassian.net", api_token="wrong").check()

    async def test_a_gateway_that_cannot_be_asked_does_not_hide_the_refusal(self, acme: Acme):
        acme.api.gateway_url = "https://elsewhere.example"
        began = acme.loop.time()
        with pytest.raises(AuthError, match=r"\(401\)"):
            await acme.connect(api_token="wrong").check()
        assert acme.loop.time() - began < 5

    async def test_a_site_on_this_machine_sends_no_token_to_the_gateway(self, acme: Acme):
        asked = []
        acme.api.site_url = "http://127.0.0.1:8090"
        with pytest.raises(AuthError, match=r"\(401\)"):
            await acme.connect(url="http://127.0.0.1:8090", api_token="wrong", transport=Watching(acme.api, asked)).check()
        assert {request.url.host for request in asked} == {"127.0.0.1"}

    async def test_a_missing_scope_is_named(self):
        acme = Acme(scopes=[scope for scope in SCOPES if "comment" not in scope])
        acme.site.page(acme.eng, "Leave", "<p>x</p>")
        with pytest.raises(AuthError, match="read:comment:confluence"):
            await acme.told()
        await acme.close()


class Watching(httpx.AsyncBaseTransport):
    def __init__(self, api: httpx.AsyncBaseTransport, asked: list[httpx.Request]) -> None:
        self._api = api
        self._asked = asked

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._asked.append(request)
        return await self._api.handle_async_request(request)

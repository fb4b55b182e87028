"""The emulated token endpoint lets in who holds the key, for what was granted, for as long as that holds."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.emulators.drive import DriveApi
from tests.emulators.drive_auth import GRANT_TYPE

READ = "https://www.googleapis.com/auth/drive.readonly"
MEMBERS = "https://www.googleapis.com/auth/admin.directory.group.member.readonly"


def assertion(credentials: dict[str, str], *, alg: str = "RS256", key: rsa.RSAPrivateKey | None = None, **claims: Any) -> str:
    """A signed JWT of the service account; a claim of None is left out."""
    now = int(time.time())
    standard = {"iss": credentials["client_email"], "aud": credentials["token_uri"], "scope": READ, "iat": now, "exp": now + 3600}
    body = {name: value for name, value in (standard | claims).items() if value is not None}
    signed = ".".join(map(encoded, ({"alg": alg, "typ": "JWT", "kid": credentials["private_key_id"]}, body)))
    private = key or serialization.load_pem_private_key(credentials["private_key"].encode(), None)
    assert isinstance(private, rsa.RSAPrivateKey)
    return f"{signed}.{base64url(private.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def encoded(part: dict[str, Any]) -> str:
    return base64url(json.dumps(part).encode())


def base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


@pytest.fixture
def api() -> DriveApi:
    return DriveApi()


@pytest.fixture
async def client(api: DriveApi) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=api, base_url="https://www.googleapis.com") as client:
        yield client


async def ask(client: httpx.AsyncClient, api: DriveApi, signed: str) -> httpx.Response:
    form = {"grant_type": GRANT_TYPE, "assertion": signed}
    return await client.post(api.accounts.token_uri, data=form)


async def listed(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.get("/drive/v3/files", headers={"Authorization": f"Bearer {token}"})


class TestTheTokenEndpoint:
    async def test_gives_a_token_for_a_signed_assertion(self, api: DriveApi, client: httpx.AsyncClient) -> None:
        answer = await ask(client, api, assertion(api.accounts.credentials()))
        assert answer.json().keys() == {"access_token", "expires_in", "token_type"}
        assert (await listed(client, answer.json()["access_token"])).status_code == 200

    @pytest.mark.parametrize(
        ("claims", "error"),
        [
            ({"iss": "nobody@acme.iam.gserviceaccount.com"}, "invalid_grant"),
            ({"aud": "https://example.com/token"}, "invalid_grant"),
            ({"exp": 1}, "invalid_grant"),
            ({"exp": int(time.time()) + 7200}, "invalid_grant"),
            ({"iat": int(time.time()) + 3000}, "invalid_grant"),
            ({"alg": "HS256"}, "invalid_grant"),
            ({"scope": None}, "invalid_scope"),
            ({"scope": "https://www.googleapis.com/auth/everything"}, "invalid_scope"),
            ({"sub": "nobody@acme.com", "scope": MEMBERS}, "invalid_grant"),
            ({"sub": "ana@acme.com"}, "unauthorized_client"),
        ],
    )
    async def test_refuses_a_wrong_one(
        self, api: DriveApi, client: httpx.AsyncClient, claims: dict[str, Any], error: str
    ) -> None:
        answer = await ask(client, api, assertion(api.accounts.credentials(), **claims))
        assert (answer.status_code, answer.json()["error"]) == (401 if error == "unauthorized_client" else 400, error)
        assert answer.json()["error_description"]

    async def test_refuses_what_another_key_signed(self, api: DriveApi, client: httpx.AsyncClient) -> None:
        stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        for signed in (assertion(api.accounts.credentials(), key=stranger), "not.a.jwt", "nothing"):
            assert (await ask(client, api, signed)).json()["error"] == "invalid_grant"
        other = await client.post(api.accounts.token_uri, data={"grant_type": "password"})
        assert other.json()["error"] == "unsupported_grant_type"

    async def test_lets_the_account_act_as_an_administrator(self, api: DriveApi, client: httpx.AsyncClient) -> None:
        api.drive.group("eng@acme.com", ["user:ana@acme.com"])
        signed = assertion(api.accounts.credentials(), scope=MEMBERS, sub="admin@acme.com")
        token = (await ask(client, api, signed)).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        answer = await client.get("/admin/directory/v1/groups/eng@acme.com/members", headers=headers)
        assert [member["email"] for member in answer.json()["members"]] == ["ana@acme.com"]
        assert (await listed(client, token)).json()["error"]["errors"][0]["reason"] == "insufficientPermissions"


class TestTokens:
    async def test_run_out(self, api: DriveApi, client: httpx.AsyncClient) -> None:
        api.accounts.lifetime = 0
        token = api.accounts.issue()
        answer = await listed(client, token)
        assert (answer.status_code, answer.json()["error"]["errors"][0]["reason"]) == (401, "authError")

    async def test_may_be_revoked_while_the_key_is_good(self, api: DriveApi, client: httpx.AsyncClient) -> None:
        token = api.accounts.issue()
        api.accounts.revoke_tokens()
        assert (await listed(client, token)).status_code == 401
        assert (await ask(client, api, assertion(api.accounts.credentials()))).status_code == 200

    async def test_are_not_given_for_a_revoked_key_until_it_is_replaced(self, api: DriveApi, client: httpx.AsyncClient) -> None:
        old = api.accounts.credentials()
        api.accounts.revoke()
        assert (await ask(client, api, assertion(old))).json()["error"] == "invalid_grant"
        api.accounts.replace_key()
        assert (await ask(client, api, assertion(old))).json()["error"] == "invalid_grant"
        assert (await ask(client, api, assertion(api.accounts.credentials()))).status_code == 200

    async def test_are_needed(self, client: httpx.AsyncClient) -> None:
        for headers in ({}, {"Authorization": "Bearer ya29.guessed"}, {"Authorization": "Basic YTpi"}):
            assert (await client.get("/drive/v3/files", headers=headers)).status_code == 401

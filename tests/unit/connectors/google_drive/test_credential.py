"""The service account's key, and what an operator is told when Google refuses it."""

from __future__ import annotations

import json

import pytest

from core.errors import AuthError, FootnoteError


@pytest.fixture
def source(acme):
    return acme.source(folders=[acme.shared_folder("Policies")])


async def test_one_token_serves_many_requests(acme, source):
    await acme.sync(source)
    await acme.sync(source)
    assert acme.api.accounts.issued == 1


async def test_a_token_that_ended_early_is_replaced(acme, source):
    await acme.sync(source)
    acme.api.accounts.revoke_tokens()
    await acme.sync(source)
    assert acme.api.accounts.issued == 2


async def test_a_token_that_is_about_to_end_is_replaced_before(acme):
    acme.api.accounts.lifetime = 60.0
    await acme.sync(acme.source(folders=[acme.shared_folder("Policies")]))
    assert acme.api.accounts.issued > 1
    assert not [call for call in acme.api.calls if call.status == 401]


async def test_a_revoked_key_names_the_account_and_the_file_and_heals_without_a_restart(acme, source):
    await acme.sync(source)
    cursor = acme.cursor
    acme.api.accounts.revoke()
    with pytest.raises(AuthError) as refused:
        await acme.sync(source)
    for part in (acme.drive.bot, str(acme.key), "invalid_grant"):
        assert part in str(refused.value)
    assert acme.cursor == cursor
    acme.api.accounts.replace_key()
    acme.write_key()
    await acme.sync(source)


async def test_an_administrator_who_lets_us_not_act_as_him_is_named_with_the_scope(acme):
    acme.api.accounts.delegated = frozenset()
    policies = acme.shared_folder("Policies")
    acme.drive.group("eng@acme.com", [])
    acme.drive.share(policies, "group:eng@acme.com")
    acme.drive.doc("Leave", policies, "Thirty days.")
    with pytest.raises(AuthError, match=r"(?s)admin@acme\.com.*unauthorized_client.*admin\.directory\.group\.member\.readonly"):
        await acme.sync(acme.source(folders=[policies], directory_admin="admin@acme.com"))


@pytest.mark.parametrize("admin", ["nobody@acme.com"])
async def test_an_administrator_whom_google_does_not_know_is_named(acme, admin):
    policies = acme.shared_folder("Policies")
    acme.drive.share(policies, acme.drive.group("eng@acme.com", []))
    acme.drive.doc("Leave", policies, "Thirty days.")
    with pytest.raises(AuthError, match=r"nobody@acme\.com \(invalid_grant\)"):
        await acme.sync(acme.source(folders=[policies], directory_admin=admin))


@pytest.mark.parametrize("reason", ["accessNotConfigured", "insufficientPermissions"])
async def test_a_project_without_the_api_is_told_what_to_enable(acme, source, reason):
    acme.api.fail("*", reason, times=9, after=1)
    with pytest.raises(AuthError, match=rf"{acme.drive.bot}.*{reason}.*enable the Google Drive API"):
        await acme.sync(source)


async def test_401_on_everything_is_an_auth_error(acme, source):
    acme.api.fail("changes.*", "authError", times=9)
    with pytest.raises(AuthError):
        await acme.sync(source)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (None, "cannot be read"),
        ("not json", "is not JSON"),
        ("[]", "is not a service account's"),
        ('{"type": "authorized_user", "client_id": "x"}', "is not a service account's"),
        ({"private_key": "-----BEGIN PRIVATE KEY-----\nSECRETSECRET\n-----END PRIVATE KEY-----\n"}, "is damaged"),
        ({"token_uri": "http://tokens.example/token"}, "is not https"),
    ],
)
async def test_a_key_file_that_is_none_is_named_and_its_content_is_not_shown(acme, source, written, said):
    if written is None:
        acme.key.unlink()
    elif isinstance(written, str):
        acme.key.write_text(written)
    else:
        acme.key.write_text(json.dumps(acme.api.accounts.credentials() | written))
    with pytest.raises(AuthError) as refused:
        await acme.sync(source)
    assert str(acme.key) in str(refused.value)
    assert said in str(refused.value)
    assert "SECRET" not in str(refused.value)


@pytest.mark.parametrize("what", [500, 429, "cut", "html"])
async def test_a_token_endpoint_that_does_not_answer_is_asked_again(acme, source, what):
    acme.api.fail("token", what, times=2)
    await acme.sync(source)


async def test_neither_key_nor_token_is_seen_in_an_error(acme, source):
    secret = acme.api.accounts.credentials()["private_key"].splitlines()[3]
    for route, what in (("*", "forbidden"), ("*", "cut"), ("token", 400), ("*", "html")):
        acme.api.accounts.revoke_tokens()
        acme.api.fail(route, what, times=50, after=2 if route == "*" else 0)
        with pytest.raises(FootnoteError) as raised:
            await acme.sync(source)
        error: BaseException | None = raised.value
        while error is not None:
            assert secret not in repr(error)
            assert "ya29." not in repr(error)
            error = error.__cause__
        acme.api.faults.clear()

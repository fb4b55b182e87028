"""The image, the compose file and the Kubernetes files fit the tree, the settings and each other, and grant little."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from bots.http import HttpServer
from bots.serve import DRAIN_SECONDS
from core.settings import ConfigFile, Settings

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SETTINGS = {name.upper() for name in Settings.model_fields if name != "file"}
USER = 10001

Instruction = tuple[str, str]


def stages() -> list[list[Instruction]]:
    """The Containerfile's instructions by stage, comments and line breaks removed."""
    lines = [line for line in (DEPLOY / "Containerfile").read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    found: list[list[Instruction]] = []
    for line in filter(str.strip, joined.splitlines()):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            found.append([])
        found[-1].append((word, rest.strip()))
    return found


def of(stage: list[Instruction], word: str) -> list[str]:
    return [rest for name, rest in stage if name == word]


def environment(stage: list[Instruction]) -> dict[str, str]:
    return dict(pair.split("=", 1) for line in of(stage, "ENV") for pair in shlex.split(line))


def ignored(path: str) -> bool:
    """By .dockerignore: the last rule that names the path or a folder above it decides."""
    verdict = False
    for rule in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = rule.removeprefix("!")
        if pattern == "*" or path == pattern or path.startswith(f"{pattern}/"):
            verdict = not rule.startswith("!")
    return verdict


def test_what_the_image_copies_exists_and_reaches_the_builder() -> None:
    builder, final = stages()
    sources = [source for line in of(builder, "COPY") for source in line.split()[:-1]]
    assert {"bots", "core", "connectors", "deploy/handbook", "deploy/demo.toml"} <= set(sources)
    for source in sources:
        assert (ROOT / source).exists(), source
        assert not ignored(source), source
    assert all(line.startswith("--from=builder ") for line in of(final, "COPY"))
    for secret in (".env", "footnote.toml", "deploy/secrets/slack_bot_token", ".git/config"):
        assert ignored(secret), secret


def test_the_image_installs_by_hash_and_runs_without_rights() -> None:
    builder, final = stages()
    assert any("--require-hashes" in line for line in of(builder, "RUN"))
    assert of(final, "USER") == [f"{USER}:{USER}"]
    assert not any("pip" in line or "apt" in line for line in of(final, "RUN"))
    assert of(builder, "FROM")[0].split()[0] == of(final, "FROM")[0], "the interpreter's path is written into the environment"
    assert set(environment(final)) & SETTINGS
    assert {name for name in environment(final) if name.startswith("FOOTNOTE_")} <= SETTINGS


async def run(command: list[str], **variables: str) -> int:
    process = await asyncio.create_subprocess_exec(*command, env=os.environ | variables, stderr=asyncio.subprocess.DEVNULL)
    return await process.wait()


async def test_the_image_is_healthy_while_the_server_answers() -> None:
    (check,) = of(stages()[1], "HEALTHCHECK")
    command: list[str] = json.loads(check.partition("CMD ")[2])
    server = HttpServer("127.0.0.1", 0, {})
    await server.start()
    around = {"FOOTNOTE_HTTP_PORT": str(server.port), "http_proxy": "http://127.0.0.1:9"}
    try:
        assert await run(command, **around) == 0
    finally:
        await server.stop()
    assert await run(command, **around) != 0


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
async def test_qdrant_is_healthy_when_it_is_ready(status: int, healthy: bool) -> None:
    async def readyz(_request: web.Request) -> web.Response:
        return web.Response(status=status, text="all shards are ready")

    app = web.Application()
    app.router.add_get("/readyz", readyz)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    test = [word.replace("/6333", f"/{port}") for word in COMPOSE["services"]["qdrant"]["healthcheck"]["test"]]
    assert test[0] == "CMD"
    try:
        assert (await run(test[1:]) == 0) is healthy
    finally:
        await runner.cleanup()
    assert await run(test[1:]) != 0


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_every_service_is_hardened_and_pinned(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"\S+:v?\d\S*", service["image"])
    for volume in service["volumes"]:
        outside = volume.split(":")[0]
        assert outside.startswith((".", "$")) or outside in COMPOSE["volumes"], volume


def test_only_loopback_is_published_and_the_engines_reach_nobody() -> None:
    services = COMPOSE["services"]
    assert {name for name in services if "ports" in services[name]} == {"footnote"}
    assert all(port.startswith("127.0.0.1:") for port in services["footnote"]["ports"])
    assert services["qdrant"]["networks"] == services["valkey"]["networks"] == ["engines"]
    assert COMPOSE["networks"]["engines"] == {"internal": True}


def test_the_compose_file_sets_known_settings_to_what_it_starts() -> None:
    service = COMPOSE["services"]["footnote"]
    variables = service["environment"]
    assert set(variables) <= SETTINGS
    for name in ("QDRANT_URL", "REDIS_URL"):
        host = re.search(r"//([^:/]+)", variables[name])
        assert host
        assert service["depends_on"][host[1]] == {"condition": "service_healthy"}
    assert int(service["stop_grace_period"].removesuffix("s")) > DRAIN_SECONDS
    assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
    defaults = [path for volume in service["volumes"] for path in re.findall(r":-([^}]+)\}", volume)]
    assert len(defaults) == 2
    assert all((DEPLOY / path).exists() for path in defaults)


def test_the_kubernetes_files_fit_together_and_to_the_settings() -> None:
    folder = DEPLOY / "kubernetes"
    main = yaml.safe_load((folder / "kustomization.yaml").read_text())
    resources = list(yaml.safe_load_all((folder / main["resources"][0]).read_text()))
    shared = yaml.safe_load((folder / main["patches"][0]["path"]).read_text())["spec"]["template"]["spec"]
    container = shared["containers"][0]

    variables = dict(line.split("=", 1) for line in (folder / "settings.env").read_text().splitlines())
    assert set(variables) <= SETTINGS
    ConfigFile.model_validate(tomllib.loads((folder / "groups.toml").read_text()))
    generated = {config["name"] for config in main["configMapGenerator"]}
    named = {volume["configMap"]["name"] for volume in shared["volumes"] if "configMap" in volume}
    assert named | {"footnote-settings"} == generated

    deployments = {item["metadata"]["name"]: item["spec"] for item in resources if item["kind"] == "Deployment"}
    assert {name: spec["template"]["spec"]["containers"][0]["args"] for name, spec in deployments.items()} == {
        "footnote-bots": ["bots"],
        "footnote-worker": ["worker"],
    }
    for spec in deployments.values():
        assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]
        assert spec["template"]["spec"]["containers"][0]["name"] == container["name"]
    services = {item["metadata"]["name"]: item["spec"]["selector"] for item in resources if item["kind"] == "Service"}
    assert services == {name: spec["selector"]["matchLabels"] for name, spec in deployments.items()}

    assert shared["securityContext"]["runAsUser"] == USER
    assert shared["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert shared["terminationGracePeriodSeconds"] > DRAIN_SECONDS
    probes = {container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")}
    assert probes == {"/healthz", "/readyz"}
    writable = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    assert writable == {"/data", "/tmp"}

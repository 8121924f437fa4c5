"""The Kubernetes manifests: valid by the API's schemas, hardened like compose, and each file, secret and port they name is there."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml  # type: ignore[import-untyped]  # its types are not locked

from tests.deploy.rendered import Document, rendered

ROOT = Path(__file__).parents[2]
PROGRAMS = {"gateway", "intake", "scoring", "workflow"}


def built(folder: Path) -> list[Document]:
    """Give what kustomize itself makes of a folder."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl, which has kustomize in it, is not installed")
    told = subprocess.run(["kubectl", "kustomize", str(folder)], check=True, capture_output=True, text=True)  # noqa: S603, S607 - our own words
    return list(yaml.safe_load_all(told.stdout))


@pytest.fixture(scope="module", params=[rendered, built])
def documents(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Document]:
    """The example overlay, with secrets that `make secrets` has made for it."""
    render: Callable[[Path], list[Document]] = request.param
    folder = tmp_path_factory.mktemp("kubernetes")
    shutil.copytree(ROOT / "deploy", folder / "deploy")
    example = folder / "deploy" / "kubernetes" / "overlays" / "example"
    shutil.copy2(ROOT / "docker-compose.yml", folder)
    places = {"QUALITY_AWARD_SECRETS": str(example / "secrets"), "QUALITY_AWARD_BACKUPS": str(folder / "backups")}
    subprocess.run(["/bin/sh", "deploy/secrets.sh"], cwd=folder, env=places | {"PATH": os.defpath}, check=True, capture_output=True)
    return render(example)


def of(documents: list[Document], kind: str, name: str | None = None) -> list[Document]:
    return [one for one in documents if one["kind"] == kind and name in {None, one["metadata"]["name"]}]


def pods(documents: list[Document]) -> dict[str, Any]:
    return {one["metadata"]["name"]: one["spec"]["template"]["spec"] for one in documents if one["kind"] in {"Deployment", "Job"}}


def test_every_document_is_valid_by_the_schemas_of_the_api(documents: list[Document]) -> None:
    assert len(documents) > 20
    for one in documents:
        kubernetes_validate.validate(one, kubernetes_validate.latest_version(), strict=True)


def test_the_schemas_would_notice_a_wrong_field(documents: list[Document]) -> None:
    (job,) = of(documents, "Job")
    wrong = job | {"spec": job["spec"] | {"backofLimit": 1}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, kubernetes_validate.latest_version(), strict=True)


def test_nobody_runs_as_root_holds_a_capability_or_writes_where_it_may_not(documents: list[Document]) -> None:
    assert set(pods(documents)) == PROGRAMS | {"edge", "migrate"}
    for name, pod in pods(documents).items():
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["runAsUser"] > 0, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in (*pod.get("initContainers", ()), *pod["containers"]):
            walls = {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
            assert container["securityContext"] == walls, name
            assert {"cpu", "memory", "ephemeral-storage"} <= set(container["resources"]["limits"]), name
            assert not [one for one in container.get("env", ()) if re.search("PASSWORD|SECRET|SEED|KEY", one["name"])], name


def test_a_program_waits_for_the_migration_is_probed_and_leaves_in_peace(documents: list[Document]) -> None:
    for name in PROGRAMS:
        pod = pods(documents)[name]
        assert [one["command"] for one in pod["initContainers"]] == [["python", "-m", "migrations", "await", name]]
        (program,) = pod["containers"]
        assert (program["readinessProbe"]["httpGet"]["path"], program["livenessProbe"]["httpGet"]["path"]) == ("/readyz", "/livez")
        assert program["lifecycle"]["preStop"] == {"sleep": {"seconds": 5}}
        assert pod["terminationGracePeriodSeconds"] > 5 + 20
        (deployment,) = of(documents, "Deployment", name)
        assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_each_program_gets_the_secrets_that_compose_gives_it_and_no_others(documents: list[Document]) -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    (secret,) = of(documents, "Secret")
    for name in PROGRAMS | {"migrate"}:
        (volume,) = (one for one in pods(documents)[name]["volumes"] if one["name"] == "secrets")
        given = {item["path"]: item["key"] for item in volume["secret"]["items"]}
        assert given == {one["target"]: one["source"] for one in compose[name]["secrets"]}, name
        assert volume["secret"]["secretName"] == secret["metadata"]["name"]
        assert set(given.values()) <= set(secret["data"])


def test_every_program_serves_and_every_reference_leads_somewhere(documents: list[Document]) -> None:
    kept = {(one["kind"], one["metadata"]["name"]) for one in documents}
    for name, pod in pods(documents).items():
        for volume in pod["volumes"]:
            wanted = [("ConfigMap", volume.get("configMap", {}).get("name")), ("Secret", volume.get("secret", {}).get("secretName"))]
            wanted.append(("PersistentVolumeClaim", volume.get("persistentVolumeClaim", {}).get("claimName")))
            assert {one for one in wanted if one[1]} <= kept, name
        named = {volume["name"] for volume in pod["volumes"]}
        for container in (*pod.get("initContainers", ()), *pod["containers"]):
            assert {mount["name"] for mount in container["volumeMounts"]} <= named, name
            assert {("ConfigMap", one["configMapRef"]["name"]) for one in container.get("envFrom", ())} <= kept, name
    for service in of(documents, "Service"):
        if "selector" in service["spec"]:
            (target,) = of(documents, "Deployment", service["spec"]["selector"]["app"])
            ports = {port["name"] for port in target["spec"]["template"]["spec"]["containers"][0]["ports"]}
            assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


def test_all_that_is_not_allowed_is_denied_and_only_the_edge_is_open(documents: list[Document]) -> None:
    policies = of(documents, "NetworkPolicy")
    (wall,) = (one for one in policies if one["spec"]["podSelector"] == {})
    assert (sorted(wall["spec"]["policyTypes"]), "ingress" in wall["spec"]) == (["Egress", "Ingress"], False)
    open_to_all = [one["metadata"]["name"] for one in policies for rule in one["spec"].get("ingress", ()) if "from" not in rule]
    assert open_to_all == ["edge"]
    assert [one["metadata"]["name"] for one in of(documents, "Service") if one["spec"].get("type") == "LoadBalancer"] == ["edge"]


def test_no_registry_is_named_and_every_document_is_in_the_namespace(documents: list[Document]) -> None:
    images = {c["image"] for pod in pods(documents).values() for c in (*pod.get("initContainers", ()), *pod["containers"])}
    assert images == {"quality-award:0.1.0", "nginx:stable-bookworm"}
    assert {one["metadata"].get("namespace") for one in documents if one["kind"] != "Namespace"} == {"quality-award"}

"""Ordinary pods as the charts of common operators make them, as far as they ask their nodes for something."""

from __future__ import annotations

from typing import Any

from tests.policy.node_access.pods import Json, container, pod

RESTRICTED: Json = {
    "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True, "runAsNonRoot": True,
}  # fmt: skip


def adding(*names: str, **security: Any) -> Json:
    """A security context that drops all capabilities and adds some."""
    return {"capabilities": {"drop": ["ALL"], "add": list(names)}, **security}


def plain(*names: str, security: Json | None = None, **spec: Any) -> Json:
    """A pod of containers that ask for nothing."""
    return pod(containers=[container(name, securityContext=security or RESTRICTED) for name in names], **spec)


def with_hosts(name: str, mounts: dict[str, str], *, security: Json | None = None, **spec: Any) -> Json:
    """A pod of one container with folders of the node: path → `rw` or `ro`."""
    volumes = [{"name": f"v{index}", "hostPath": {"path": path}} for index, path in enumerate(mounts)]
    shown = [
        {"name": f"v{index}", "mountPath": path} | ({"readOnly": True} if how == "ro" else {})
        for index, (path, how) in enumerate(mounts.items())
    ]
    main = container(name, volumeMounts=shown, **({"securityContext": security} if security else {}))
    return pod(containers=[main], volumes=volumes, **spec)


def projected(name: str, *sources: Json, **spec: Any) -> Json:
    """A pod with volumes that lie in the cluster."""
    volumes = [{"name": f"v{index}", **source} for index, source in enumerate(sources)]
    mounts = [{"name": f"v{index}", "mountPath": f"/v{index}", "subPath": "a"} for index, _ in enumerate(sources)]
    return pod(containers=[container(name, volumeMounts=mounts)], volumes=volumes, **spec)


_LOGS = {"/var/log": "ro", "/var/lib/docker/containers": "ro"}

PODS: dict[str, Json] = {
    "cert-manager": plain("cert-manager-controller"),
    "ingress-nginx": plain("controller", security=adding("NET_BIND_SERVICE", runAsUser=101)),
    "traefik": plain("traefik", security=RESTRICTED, hostNetwork=False),
    "haproxy-ingress": plain("haproxy", security=adding("NET_BIND_SERVICE", "SYS_CHROOT"), hostNetwork=True),
    "contour-envoy": plain("shutdown-manager", "envoy"),
    "prometheus": projected("prometheus", {"configMap": {"name": "c"}}, {"secret": {"secretName": "s"}}, {"emptyDir": {}}),
    "alertmanager": projected("alertmanager", {"secret": {"secretName": "s"}}, {"persistentVolumeClaim": {"claimName": "c"}}),
    "grafana": pod(
        initContainers=[container("init-chown-data", securityContext=adding("CHOWN", "DAC_OVERRIDE", runAsUser=0))],
        containers=[container("grafana", securityContext=RESTRICTED)],
    ),
    "kube-state-metrics": plain("kube-state-metrics"),
    "argo-cd-repo-server": projected("argocd-repo-server", {"configMap": {"name": "c"}}, {"emptyDir": {}}),
    "flux": plain("manager"),
    "external-dns": plain("external-dns"),
    "external-secrets": plain("external-secrets"),
    "istiod": projected("discovery", {"emptyDir": {"medium": "Memory"}}, {"projected": {"sources": []}}),
    "istio-init": pod(
        initContainers=[container("istio-init", securityContext=adding("NET_ADMIN", "NET_RAW", privileged=False, runAsUser=0))],
        containers=[container("app"), container("istio-proxy", securityContext=RESTRICTED)],
    ),
    "linkerd-init": pod(
        initContainers=[container("linkerd-init", securityContext={"capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}})],
        containers=[container("linkerd-proxy")],
    ),
    "virt-launcher": pod(
        containers=[container("compute", securityContext=adding("NET_BIND_SERVICE", "SYS_NICE"))],
        volumes=[{"name": name, "emptyDir": {}} for name in ("private", "public", "sockets", "libvirt-runtime")],
    ),
    "virt-controller": plain("virt-controller"),
    "mysql-operator": projected("mysql", {"persistentVolumeClaim": {"claimName": "c"}}, {"configMap": {"name": "c"}}),
    "cloudnative-pg": pod(
        initContainers=[container("bootstrap-controller", securityContext=RESTRICTED)],
        containers=[container("postgres", securityContext={**RESTRICTED, "seccompProfile": {"type": "RuntimeDefault"}})],
    ),
    "redis": pod(containers=[container("redis", securityContext=adding("SYS_RESOURCE"))]),
    "elasticsearch": pod(containers=[container("elasticsearch", securityContext=adding("IPC_LOCK", "SYS_RESOURCE", "SYS_CHROOT"))]),
    "kafka": projected("kafka", {"persistentVolumeClaim": {"claimName": "c"}}, {"secret": {"secretName": "s"}}),
    "rabbitmq": plain("rabbitmq"),
    "vault": pod(containers=[container("vault", securityContext=adding("IPC_LOCK"))]),
    "vault-agent-csi": pod(containers=[container("app")], volumes=[{"name": "s", "csi": {"driver": "secrets-store.csi.k8s.io", "readOnly": True}}]),
    "cert-manager-csi": pod(containers=[container("app")], volumes=[{"name": "t", "csi": {"driver": "csi.cert-manager.io"}}]),
    "minio": with_hosts("minio", {"/data/minio": "rw", "/mnt/disk1": "rw"}),
    "harbor": plain("core", "jobservice", "registry"),
    "gitlab-runner": plain("gitlab-runner"),
    "keycloak": plain("keycloak"),
    "velero": plain("velero"),
    "keda": plain("keda-operator"),
    "metrics-server": plain("metrics-server", hostNetwork=True),
    "cluster-autoscaler": with_hosts("cluster-autoscaler", {"/etc/ssl/certs/ca-bundle.crt": "ro"}),
    "kyverno": plain("kyverno", security=RESTRICTED),
    "opa-gatekeeper": plain("manager"),
    "tekton": plain("tekton-pipelines-controller"),
    "spark": pod(containers=[container("executor")], hostUsers=False),
    "chrony": pod(containers=[container("chronyd", securityContext=adding("SYS_TIME"))]),
    "debugger": pod(containers=[container("gdb", securityContext=adding("SYS_PTRACE"))], shareProcessNamespace=True),
    "clock": with_hosts("app", {"/etc/localtime": "rw"}),
    "metallb-speaker": plain("speaker", security=adding("NET_RAW", "NET_ADMIN"), hostNetwork=True),
    "keepalived": plain("keepalived", security=adding("NET_ADMIN", "NET_BROADCAST", "NET_RAW"), hostNetwork=True),
    # log shippers
    "fluent-bit": with_hosts("fluent-bit", {**_LOGS, "/etc/machine-id": "ro"}),
    "fluent-bit-with-state": with_hosts("fluent-bit", {**_LOGS, "/var/fluent-bit/state": "rw", "/run/log/journal": "ro"}),
    "fluentd": with_hosts("fluentd", {"/var/log": "rw", "/var/lib/docker/containers": "ro"}),
    "promtail": with_hosts("promtail", {"/run/promtail": "rw", "/var/log/pods": "ro", "/var/lib/docker/containers": "ro"}),
    "filebeat": with_hosts("filebeat", {**_LOGS, "/var/lib/filebeat-data": "rw"}, hostNetwork=True),
    "vector": with_hosts("vector", {"/var/log": "ro", "/var/lib/vector": "rw"}),
    "promtail-of-moved-docker": with_hosts("promtail", {"/var/log": "ro", "/data/docker/containers": "ro"}),
    "alloy": with_hosts("alloy", {**_LOGS, "/var/lib/alloy": "rw"}),
    "opentelemetry-collector": with_hosts("collector", {"/var/log/pods": "ro", "/var/lib/otelcol": "rw"}),
    "splunk-otel-collector": with_hosts("collector", {**_LOGS, "/var/addon/splunk/otel_pos": "rw", "/run/log/journal": "ro"}),
    "log-agent-sub-path": pod(
        containers=[container("agent", volumeMounts=[{"name": "v", "mountPath": "/state", "subPath": "agent/state"}])],
        volumes=[{"name": "v", "hostPath": {"path": "/var/lib"}}],
    ),
    "node-problem-detector": with_hosts("npd", {"/var/log": "ro", "/dev/kmsg": "ro", "/etc/localtime": "ro"}),
}  # fmt: skip
"""Name of what runs → its pod."""

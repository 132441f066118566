"""A control plane on loopback: etcd, the API server and, where there is one, the controller manager."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.e2e import commands
from tests.e2e.api_server import audit
from tests.e2e.api_server.certificates import Authority
from tests.e2e.api_server.client import Answer, Connection
from tests.e2e.api_server.processes import Process, free_port
from tests.e2e.api_server.programs import Programs
from tests.e2e.api_server.users import ADMIN, CONTROLLER_MANAGER, Users
from tests.e2e.waiting import eventually

Object = Mapping[str, Any]


class KubectlError(Exception):
    """A kubectl that had to succeed and did not; the message is the call and what it printed."""


class ControlPlane:
    """etcd, API server and controller manager below one folder; `with` starts and ends them.

    `etcd`, `api_server` and `controllers` are the processes, which a test may stop, start, pause and resume: the API
    server keeps its port. The folder holds logs, certificates, tokens and data; whoever names it removes it.
    """

    def __init__(
        self, programs: Programs, folder: Path, *, api_server_flags: Sequence[str] = (), with_controllers: bool = True
    ) -> None:
        """Nothing runs before `start`. The flags are added to those of the API server."""
        folder.mkdir(parents=True, exist_ok=True)
        self._programs = programs
        self._with_controllers = with_controllers
        self.folder = folder
        self.authority = Authority(folder / "pki")
        self.users = Users(folder / "users")
        self._pair = self.authority.issue("kube-apiserver")
        self._etcd_port = free_port()
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.audit_log = folder / "audit.log"
        (folder / "audit.json").write_text(json.dumps(audit.POLICY), encoding="utf-8")
        self.etcd = Process(commands.etcd(programs.etcd, folder, self._etcd_port), folder / "etcd.log")
        self.api_server = Process([*self._api_server_command(), *api_server_flags], folder / "kube-apiserver.log")
        self.controllers: Process | None = None

    # -- start and end ----------------------------------------------------------------------------

    def start(self) -> None:
        """Start everything, and wait until it answers."""
        self.etcd.start()
        eventually(self._etcd_answers, "etcd answers")
        self.start_api_server()
        self._wait_for("/api/v1/namespaces/default")
        if self._with_controllers and self._programs.controller_manager:
            self.start_controllers()

    def stop(self) -> None:
        """End everything, what depends on others first."""
        for process in (self.controllers, self.api_server, self.etcd):
            if process is not None:
                process.stop()

    def start_api_server(self) -> None:
        """Start the API server, and wait until it is ready."""
        self.api_server.start()
        eventually(self._api_server_is_ready, "the API server is ready")

    def restart_api_server(self) -> None:
        """End the API server and start it again on the same port, with all that etcd holds."""
        self.api_server.stop()
        self.start_api_server()

    def start_controllers(self, *, identity: commands.Identity = "service-accounts") -> None:
        """(Re)start the controllers, and wait until they answer. RuntimeError when there is no controller manager.

        As most clusters have it, each controller is a ServiceAccount of `kube-system`. With the identity `own` they are
        all `system:kube-controller-manager`, which then may do anything.
        """
        program = self._programs.controller_manager
        if program is None:
            raise RuntimeError(f"there is no kube-controller-manager in {self._programs.folder}")
        if self.controllers is not None:
            self.controllers.stop()
        if identity == "own":
            self.apply(_all_rights("system:kube-controller-manager"))
        kubeconfig, port = self.kubeconfig(CONTROLLER_MANAGER), free_port()
        command = commands.controller_manager(program, kubeconfig, self._pair, port, identity=identity)
        controllers = self.controllers = Process(command, self.folder / "kube-controller-manager.log")
        controllers.start()

        def answers() -> bool:
            controllers.check()
            return self._answers(port, "/healthz")

        eventually(answers, "the controller manager answers")

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    # -- asking -----------------------------------------------------------------------------------

    @property
    def ca(self) -> Path:
        """The certificate that signs the API server's."""
        return self.authority.certificate

    def token(self, user: str = ADMIN) -> str:
        """The bearer token of one of `users.NAMES`."""
        return self.users.token(user)

    def kubeconfig(self, user: str = ADMIN, *, url: str = "") -> Path:
        """A kubeconfig of one of `users.NAMES`, for the API server or for what stands before it at `url`."""
        return self.users.kubeconfig(user, url or self.url, self.ca)

    def kubectl(
        self,
        *arguments: str | Path,
        user: str = ADMIN,
        as_: str = "",
        as_groups: Sequence[str] = (),
        input: str = "",
        check: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl as one of `users.NAMES`, or as whom that user impersonates.

        `input` is its standard input. With `check` KubectlError unless it succeeds.
        """
        impersonation = [f"--as={as_}"] if as_ else []
        impersonation += [f"--as-group={group}" for group in as_groups]
        command = [self._programs.kubectl, f"--kubeconfig={self.kubeconfig(user)}", *impersonation, *arguments]
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "KUBECACHEDIR": str(self.folder / "kubectl"),
        }
        done = subprocess.run(
            command, env=environment, input=input, capture_output=True, text=True, timeout=120, check=False
        )
        if check and done.returncode:
            raise KubectlError(f"kubectl {' '.join(map(str, arguments))}: {done.stdout}{done.stderr}")
        return done

    def apply(self, *objects: Object, user: str = ADMIN) -> None:
        """Apply objects on the server's side. KubectlError when one is refused."""
        items = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        flags = ("--server-side", "--force-conflicts", "--filename=-")
        self.kubectl("apply", *flags, user=user, input=json.dumps(items), check=True)

    def install(self, *definitions: Object) -> None:
        """Apply CustomResourceDefinitions, and wait until all their kinds are served."""
        self.apply(*definitions)
        for spec in (definition["spec"] for definition in definitions):
            for version in spec["versions"]:
                self._wait_for(f"/apis/{spec['group']}/{version['name']}/{spec['names']['plural']}")

    def get(self, *arguments: str) -> Any:
        """What `kubectl get ARGUMENTS --output=json` prints. KubectlError when there is no such object."""
        return json.loads(self.kubectl("get", *arguments, "--output=json", check=True).stdout)

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        user: str = ADMIN,
        content_type: str = "application/json",
        seconds: float = 30.0,
    ) -> Answer:
        """One request without kubectl. OSError when the API server does not answer in time."""
        with self.connection(user, seconds=seconds) as connection:
            return connection.call(method, path, body, content_type=content_type)

    def connection(self, user: str = ADMIN, *, port: int = 0, seconds: float = 30.0) -> Connection:
        """A connection for many requests of one user, one after the other, to the API server or what stands before it."""
        return Connection(port or self.port, self.ca, self.token(user), seconds=seconds)

    def audited(self, **wanted: str) -> list[dict[str, Any]]:
        """The requests in the audit log that agree with `wanted`, see `audit.events`.

        The entry of a request may follow its answer: ask with `eventually`.
        """
        return audit.events(self.audit_log, **wanted)

    # -- inside -----------------------------------------------------------------------------------

    def _api_server_command(self) -> list[str | Path]:
        return commands.api_server(
            self._programs.api_server,
            self.folder,
            self._pair,
            port=self.port,
            etcd_port=self._etcd_port,
            ca=self.ca,
            token_file=self.users.token_file,
        )

    def _etcd_answers(self) -> bool:
        self.etcd.check()
        connection = http.client.HTTPConnection("127.0.0.1", self._etcd_port, timeout=5)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def _api_server_is_ready(self) -> bool:
        self.api_server.check()
        return self._answers(self.port, "/readyz")

    def _answers(self, port: int, path: str) -> bool:
        try:
            with Connection(port, self.ca, self.token(), seconds=5) as connection:
                return connection.call("GET", path).status == 200
        except OSError:
            return False

    def _wait_for(self, path: str) -> None:
        eventually(lambda: self.call("GET", path).status == 200, f"{path} is there")


def _all_rights(user: str) -> Object:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"e2e:{user.rpartition(':')[2]}"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    }

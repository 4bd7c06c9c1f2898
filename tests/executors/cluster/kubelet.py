"""Who starts the pods of the cluster: each container is a process of this machine, and the image is the checkout.

A container has the variables of its image and those that its pod gives it, and no others: so a pod that lacks one fails
here as it would there. Users, volumes, limits of memory, and the read-only file system are not made real.
"""

import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.executors.cluster.containers import Running, Start, cold
from tests.executors.cluster.pods import NoPod, Pods, now
from tests.executors.cluster.selectors import Pod

LOOK_EVERY = 0.1


class NotConfigured(Exception):
    """The pod asks for a Secret or a ConfigMap that is not there."""


@dataclass(frozen=True)
class Node:
    """What containers find: variables of the image, where it lies, and Secrets and ConfigMaps by kind and name."""

    image: Mapping[str, str]
    folder: Path
    logs: Path
    objects: Mapping[tuple[str, str], Mapping[str, str]]
    labels: Mapping[str, str] = field(default_factory=lambda: {"kubernetes.io/os": "linux"})


@dataclass
class Container:
    """A process, and when it must be killed if it was asked to end."""

    process: Running
    kill_at: float | None = None

    def signal(self, number: int) -> None:
        """Send it to the process and its descendants, that stay in its group."""
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            return


class Kubelet:
    """Brings the pods into being, one look after the other, and tells what becomes of them."""

    def __init__(self, pods: Pods, node: Node, start: Start = cold) -> None:
        self._pods, self._node, self._start_process = pods, node, start
        self._containers: dict[str, Container] = {}
        self._evicting: set[str] = set()

    def run(self) -> None:
        """Look after the pods for ever."""
        while True:
            pods, _ = self._pods.matching(lambda _: True)
            for pod in pods:
                try:
                    self._look_after(pod)
                except NoPod:  # deleted since it was listed
                    continue
            time.sleep(LOOK_EVERY)

    def evict(self, name: str) -> None:
        """Take its memory from the pod, as a node does that has no more. Errors: `NoPod`."""
        self._pods.get(name)
        self._evicting.add(name)

    def log(self, name: str) -> Path:
        """What the pod's container printed."""
        return self._node.logs / f"{name}.log"

    def _look_after(self, pod: Pod) -> None:
        name, phase = pod["metadata"]["name"], pod["status"]["phase"]
        container = self._containers.get(name)
        asked_to_end = "deletionTimestamp" in pod["metadata"]
        code = None if container is None else container.process.poll()
        if container is None or code is not None:
            if code is not None and phase == "Running":
                self._tell_the_end(name, code)
            if asked_to_end:
                self._containers.pop(name, None)
                self._pods.remove(name)
            elif container is None and phase == "Pending" and "containerStatuses" not in pod["status"]:
                self._start(pod)
        elif name in self._evicting:
            container.signal(signal.SIGKILL)
        elif asked_to_end:
            self._end(container, pod["spec"].get("terminationGracePeriodSeconds", 30))

    def _start(self, pod: Pod) -> None:
        name, container = pod["metadata"]["name"], pod["spec"]["containers"][0]
        if not pod["spec"].get("nodeSelector", {}).items() <= self._node.labels.items():
            self._tell_that_no_node_fits(pod)
            return
        try:
            environment = {**self._node.image, **self._variables(pod, container)}
        except NotConfigured as error:
            waiting = {"reason": "CreateContainerConfigError", "message": str(error)}
            self._pods.change(name, _status("Pending", container, {"waiting": waiting}))
            return
        command = [*container.get("command", ()), *container.get("args", ())]
        process = self._start_process(command, environment, self._node.folder, self.log(name))
        self._containers[name] = Container(process)
        self._pods.change(name, _status("Running", container, {"running": {"startedAt": now()}}))
        say(f"{name} runs as process {process.pid}")

    def _variables(self, pod: Pod, container: dict[str, Any]) -> dict[str, str]:
        found: dict[str, str] = {}
        for source in container.get("envFrom") or ():
            for kind, key in (("Secret", "secretRef"), ("ConfigMap", "configMapRef")):
                if key in source:
                    found |= self._object(kind, source[key])
        for each in container.get("env") or ():
            asked = each.get("valueFrom", {})
            if "value" in each:
                found[each["name"]] = each["value"]
            elif "fieldRef" in asked:
                first, second = asked["fieldRef"]["fieldPath"].split(".")
                found[each["name"]] = pod[first][second]
            for kind, key in (("Secret", "secretKeyRef"), ("ConfigMap", "configMapKeyRef")):
                if key in asked:
                    there = self._object(kind, asked[key])
                    if asked[key]["key"] in there:
                        found[each["name"]] = there[asked[key]["key"]]
                    elif not asked[key].get("optional"):
                        raise NotConfigured(f"couldn't find key {asked[key]['key']} in {kind} {asked[key]['name']}")
        return found

    def _object(self, kind: str, asked: dict[str, Any]) -> Mapping[str, str]:
        there = self._node.objects.get((kind, asked["name"]))
        if there is None and not asked.get("optional"):
            raise NotConfigured(f'{kind.lower()} "{asked["name"]}" not found')
        return there or {}

    def _end(self, container: Container, grace: float) -> None:
        if container.kill_at is None:
            container.signal(signal.SIGTERM)
            container.kill_at = time.monotonic() + grace
        elif time.monotonic() > container.kill_at:
            container.signal(signal.SIGKILL)

    def _tell_the_end(self, name: str, code: int) -> None:
        (container,) = self._pods.get(name)["spec"]["containers"]
        exit_code = code if code >= 0 else 128 - code
        phase, reason = ("Succeeded", "Completed") if code == 0 else ("Failed", "Error")
        ended = {"terminated": {"exitCode": exit_code, "reason": reason, "finishedAt": now()}}
        more = {}
        if name in self._evicting:
            self._evicting.discard(name)
            more = {"reason": "Evicted", "message": "The node was low on resource: memory. "}
        self._containers[name].signal(signal.SIGKILL)  # what is left of its descendants
        self._pods.change(name, _status(phase, container, ended, **more))
        say(f"{name} has {'succeeded' if code == 0 else f'ended with exit code {exit_code}'}")

    def _tell_that_no_node_fits(self, pod: Pod) -> None:
        if "conditions" not in pod["status"]:
            message = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."
            condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
            self._pods.change(pod["metadata"]["name"], {"status": {"conditions": [condition]}})
            say(f"{pod['metadata']['name']}: {message}")


def _status(phase: str, container: dict[str, Any], state: dict[str, Any], **more: str) -> dict[str, Any]:
    told = {
        "name": container["name"], "image": container["image"], "imageID": "", "ready": "running" in state,
        "restartCount": 0, "state": state,
    }  # fmt: skip
    return {"status": {"phase": phase, "containerStatuses": [told], **more}}


def say(text: str) -> None:
    """Write it to the log of the cluster."""
    print(f"{now()} {text}", file=sys.stderr, flush=True)

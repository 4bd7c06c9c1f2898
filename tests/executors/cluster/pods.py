"""The pods of the cluster, and every change that was made to them."""

import threading
import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from tests.executors.cluster.selectors import Matches, Pod


class NoPod(Exception):
    """There is no pod of that name."""


class PodExists(Exception):
    """There is one already."""


@dataclass(frozen=True)
class Change:
    """A pod before and after; None where there was, or is, none."""

    version: int
    before: Pod | None
    after: Pod | None

    def seen_by(self, matches: Matches) -> tuple[str, Pod] | None:
        """The event for one who watches the pods that match; None when it is none of theirs.

        A pod that no longer matches is deleted to them, and one that matches from now on was added.
        """
        was = self.before is not None and matches(self.before)
        if self.after is not None and matches(self.after):
            return ("MODIFIED" if was else "ADDED"), self.after
        if not was:
            return None
        assert self.before is not None
        last = self.after or self.before
        return "DELETED", merged(last, {"metadata": {"resourceVersion": str(self.version)}})


class Pods:
    """All of them, in one namespace."""

    def __init__(self) -> None:
        self._pods: dict[str, Pod] = {}
        self._changes: list[Change] = []
        self._news = threading.Condition()

    def create(self, namespace: str, asked: Pod) -> Pod:
        """Errors: `PodExists`."""
        name = asked["metadata"]["name"]
        with self._news:
            if name in self._pods:
                raise PodExists(name)
            given = {"uid": str(uuid4()), "namespace": namespace, "creationTimestamp": now()}
            pod = merged(asked, {"metadata": given, "status": {"phase": "Pending"}})
            return self._set(name, pod)

    def get(self, name: str) -> Pod:
        """Errors: `NoPod`."""
        with self._news:
            return deepcopy(self._found(name))

    def change(self, name: str, change: dict[str, Any]) -> Pod:
        """Merge the change into the pod, and return it. Errors: `NoPod`."""
        with self._news:
            return self._set(name, merged(self._found(name), change))

    def ask_to_end(self, name: str) -> Pod:
        """Mark the pod, so that the kubelet ends and then removes it. Errors: `NoPod`."""
        return self.change(name, {"metadata": {"deletionTimestamp": now()}})

    def remove(self, name: str) -> None:
        """Errors: `NoPod`."""
        with self._news:
            before = self._found(name)
            del self._pods[name]
            self._note(before, None)

    def matching(self, matches: Matches) -> tuple[list[Pod], str]:
        """The pods that match, and the version that this is."""
        with self._news:
            return [deepcopy(pod) for pod in self._pods.values() if matches(pod)], str(len(self._changes))

    def watch(self, matches: Matches, since: str, seconds: float) -> Iterator[tuple[str, Pod]]:
        """What becomes of the pods that match after the version `since`; from "0" or "" on, first those that are there.

        It ends after so many seconds.
        """
        deadline = time.monotonic() + seconds
        if since in {"", "0"}:
            there, version = self.matching(matches)
            yield from (("ADDED", pod) for pod in there)
            since = version
        seen = int(since)
        while news := self._news_after(seen, deadline):
            seen += len(news)
            yield from filter(None, (change.seen_by(matches) for change in news))

    def _news_after(self, version: int, deadline: float) -> list[Change]:
        with self._news:
            self._news.wait_for(lambda: len(self._changes) > version, max(deadline - time.monotonic(), 0))
            return self._changes[version:]

    def _found(self, name: str) -> Pod:
        if name not in self._pods:
            raise NoPod(name)
        return self._pods[name]

    def _set(self, name: str, pod: Pod) -> Pod:
        version = str(len(self._changes) + 1)
        after = merged(pod, {"metadata": {"resourceVersion": version}})
        before, self._pods[name] = self._pods.get(name), after
        self._note(before, after)
        return deepcopy(after)

    def _note(self, before: Pod | None, after: Pod | None) -> None:
        self._changes.append(Change(len(self._changes) + 1, before, after))
        self._news.notify_all()


def merged(before: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """A copy with the change in it, as JSON Merge Patch has it: None takes a key away."""
    after = deepcopy(before)
    for key, value in change.items():
        if value is None:
            after.pop(key, None)
        elif isinstance(value, dict) and isinstance(after.get(key), dict):
            after[key] = merged(after[key], value)
        else:
            after[key] = deepcopy(value)
    return after


def now() -> str:
    """In the form of Kubernetes."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

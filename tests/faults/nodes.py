"""Clusters of several nodes on this machine, each cluster in a process of its own.

Ray keeps clients of a cluster for the life of a process: after a cluster whose node was killed, the start of the next
one in the same process may wait for ever.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

STOP_SECONDS = 120


@dataclass
class Nodes:
    """A running cluster: address of its head, and ids of its other nodes."""

    address: str
    ids: list[str]
    _process: subprocess.Popen[str]

    def kill(self, node_id: str) -> None:
        """Kill all processes of a node, and wait until they are gone."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{node_id}\n")
        self._process.stdin.flush()
        assert _answer(self._process) == node_id
        self.ids.remove(node_id)


@contextmanager
def nodes(head: dict[str, Any], others: Sequence[dict[str, Any]]) -> Iterator[Nodes]:
    """Start a head and other nodes, each with arguments of `ray.cluster_utils.Cluster.add_node`, for the block."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.faults.nodes", json.dumps([head, *others])],
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        try:
            started = _answer(process)
            yield Nodes(started["address"], started["ids"], process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(timeout=STOP_SECONDS)
            finally:
                process.kill()


def _answer(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, f"the cluster's process ended with code {process.wait()}"
    return json.loads(line)


def main() -> None:
    """Start the cluster that the argument declares; kill the nodes that the input names; stop at its end."""
    from ray.cluster_utils import Cluster

    head, *others = json.loads(sys.argv[1])
    cluster = Cluster(initialize_head=True, head_node_args=head)
    by_id = {node.node_id: node for node in [cluster.add_node(**arguments) for arguments in others]}
    print(json.dumps({"address": cluster.address, "ids": list(by_id)}), flush=True)
    for line in sys.stdin:
        cluster.remove_node(by_id[line.strip()], allow_graceful=False)
        print(json.dumps(line.strip()), flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()

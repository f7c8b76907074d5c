"""How the workers of a training find each other where there are no GPUs: at their nodes' addresses within the cluster.

Gloo listens at what a machine's name resolves to, which on Debian and its kin is the loopback: workers of different
nodes then wait for each other in vain. NCCL, which GPUs use, looks for an interface itself.
"""

from __future__ import annotations

import os
import socket

import psutil
import ray
from ray.train.backend import Backend
from ray.train.torch import TorchConfig

GLOO_INTERFACE = "GLOO_SOCKET_IFNAME"

TorchBackend: type[Backend] = TorchConfig().backend_cls


class AtNodeAddress(TorchConfig):
    """Ray Train's set-up of torch.distributed, once every worker has named the interface of its node's address."""

    @property
    def backend_cls(self) -> type[Backend]:
        return _Backend


class _Backend(TorchBackend):  # type: ignore[valid-type, misc]
    def on_start(self, worker_group, backend_config) -> None:  # type: ignore[no-untyped-def]
        worker_group.execute(name_interface)
        super().on_start(worker_group, backend_config)


def name_interface() -> None:
    """Have Gloo use the interface by which Ray reaches this node, unless the environment names one."""
    name = interface_of(ray.util.get_node_ip_address())
    if name:
        os.environ.setdefault(GLOO_INTERFACE, name)


def interface_of(address: str) -> str | None:
    """The network interface of this machine that has ``address``; None where none has."""
    for name, held in psutil.net_if_addrs().items():
        if any(one.family in (socket.AF_INET, socket.AF_INET6) and one.address == address for one in held):
            return name
    return None

"""Rendezvous of CPU workers with torch.distributed's Gloo: each listens at its node's address within the Ray cluster.

By default Gloo listens at the address of the machine's name. On Debian and its relatives that is the loopback address,
so that workers of different nodes never connect. NCCL, the backend for GPUs, chooses an interface itself.
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
    """Ray Train's `TorchConfig`, preceded by `name_interface` on every worker."""

    @property
    def backend_cls(self) -> type[Backend]:
        return _Backend


class _Backend(TorchBackend):  # type: ignore[valid-type, misc]
    def on_start(self, worker_group, backend_config) -> None:  # type: ignore[no-untyped-def]
        worker_group.execute(name_interface)
        super().on_start(worker_group, backend_config)


def name_interface() -> None:
    """Set GLOO_SOCKET_IFNAME to the interface of this node's Ray address, unless it is set."""
    name = interface_of(ray.util.get_node_ip_address())
    if name:
        os.environ.setdefault(GLOO_INTERFACE, name)


def interface_of(address: str) -> str | None:
    """The network interface of this machine that has the IP ``address``; None if there is none."""
    for name, entries in psutil.net_if_addrs().items():
        if any(entry.family in (socket.AF_INET, socket.AF_INET6) and entry.address == address for entry in entries):
            return name
    return None

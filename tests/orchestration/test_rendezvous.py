import os
import socket

import pytest
import ray

from mi_ray.orchestration.rendezvous import GLOO_INTERFACE, interface_of, name_interface


@pytest.fixture
def unnamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(GLOO_INTERFACE, "")
    monkeypatch.delenv(GLOO_INTERFACE)


def test_the_interface_of_the_loopback_address_is_one_that_the_kernel_knows():
    assert interface_of("127.0.0.1") in [name for _, name in socket.if_nameindex()]


def test_no_interface_has_an_address_that_is_set_aside_for_documentation():
    assert interface_of("192.0.2.1") is None


def test_gloo_is_told_the_interface_of_the_nodes_own_address(unnamed: None):
    name_interface()
    assert os.environ[GLOO_INTERFACE] == interface_of(ray.util.get_node_ip_address())


def test_an_interface_that_the_environment_names_stays(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(GLOO_INTERFACE, "eth7")
    name_interface()
    assert os.environ[GLOO_INTERFACE] == "eth7"

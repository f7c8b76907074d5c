"""Three hosts on one machine: network namespaces on two bridges, the cluster's own network and one outside of it, each
with processes, home, /tmp/ray and sshd of its own.

Each has this interpreter's packages in a virtual environment at ~/venv, as `make setup` leaves it, but for mi_ray,
which is to be brought to ~/mi-ray; and one folder of this machine as /mnt/shared. Separate processes, since `ray stop`
ends every process of Ray that it sees.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

BRIDGE = "mi-ray"
NETWORK, OUTSIDE = "10.77.0", "10.78.0"
BRIDGES = {NETWORK: BRIDGE, OUTSIDE: f"{BRIDGE}-out"}
"""This machine is the first on both networks; hosts that have not closed themselves can be reached on both."""
THIS_MACHINE = f"{NETWORK}.1"

NAMES = ("head", "worker-1", "worker-2")
HOME = "/srv"
"""Home folder of each host: a folder that exists and is empty on every Debian."""

TOOLS = {"ip": "iproute2", "ssh": "openssh-client", "sshd": "openssh-server", "rsync": "rsync", "unshare": "util-linux",
         "make": "make", "nft": "nftables"}  # fmt: skip
SBIN = f"{os.environ['PATH']}:/usr/sbin:/sbin"
SSHD = """
ListenAddress {address}
HostKey {keys}/host
AuthorizedKeysFile {keys}/authorized
PermitRootLogin prohibit-password
PasswordAuthentication no
UsePAM no
StrictModes no
PidFile none
"""
ENTER = """
set -e
hostname {name}
mkdir -p /tmp/ray
mount --bind {folder}/ray /tmp/ray
mount --bind {folder}/home {home}
mount --bind {folder}/passwd /etc/passwd
mount --bind {shared} /mnt
exec {sshd} -D -e -f {folder}/sshd_config
"""


def missing() -> str | None:
    """Reason why this machine cannot have such hosts; None if it can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    absent = [package for tool, package in TOOLS.items() if not shutil.which(tool, path=SBIN)]
    return f"not installed here: {', '.join(absent)}" if absent else None


@dataclass(frozen=True)
class Hosts:
    """Running hosts; the first is the head."""

    folder: Path

    @property
    def key(self) -> Path:
        """Private key of root on every host."""
        return self.folder / "keys" / "root"

    @property
    def shared(self) -> Path:
        """The folder that every host mounts at /mnt/shared."""
        return self.folder / "mnt" / "shared"

    @property
    def addresses(self) -> dict[str, str]:
        """Addresses in the cluster's network."""
        return _addresses(NETWORK)

    @property
    def outside(self) -> dict[str, str]:
        """Addresses in the other network."""
        return _addresses(OUTSIDE)

    def ssh(self, name: str, *options: str) -> list[str]:
        """The ssh command for a host, without the remote command."""
        trust = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "IdentitiesOnly=yes", "LogLevel=ERROR"]
        trusted = [word for option in trust for word in ("-o", option)]
        return ["ssh", *trusted, "-i", str(self.key), *options, f"root@{self.addresses[name]}"]

    def run(self, name: str, command: str) -> str:
        """The output of a command on a host; CalledProcessError if it fails."""
        done = subprocess.run([*self.ssh(name), command], check=True, capture_output=True, text=True, timeout=60)
        return done.stdout


@contextmanager
def hosts(folder: Path) -> Iterator[Hosts]:
    """Start the hosts for the block, and always stop them."""
    made = Hosts(folder)
    _clear()
    with ExitStack() as undone:
        undone.callback(_clear)
        _keys(folder / "keys")
        made.shared.mkdir(parents=True)
        Path("/run/sshd").mkdir(exist_ok=True)
        for network, bridge in BRIDGES.items():
            _ip("link", "add", bridge, "type", "bridge")
            _ip("addr", "add", f"{network}.1/24", "dev", bridge)
            _ip("link", "set", bridge, "up")
        for name, address in made.addresses.items():
            _wire(name)
            _furnish(folder / name, address, folder / "keys")
            undone.callback(_end, _boot(name, folder / name, folder / "mnt"))
        for name in made.addresses:
            _wait(made, name)
        yield made


def _ip(*words: str, check: bool = True) -> None:
    silent = None if check else subprocess.DEVNULL
    subprocess.run(["ip", *words], check=check, env=os.environ | {"PATH": SBIN}, stderr=silent)


def _clear() -> None:
    """Remove namespaces and bridges of this run, or of a run that was killed."""
    for network, bridge in BRIDGES.items():
        for address in _addresses(network).values():
            _ip("link", "del", _cable(address), check=False)
        _ip("link", "del", bridge, check=False)
    for name in NAMES:
        _ip("netns", "del", f"{BRIDGE}-{name}", check=False)


def _addresses(network: str) -> dict[str, str]:
    return {name: f"{network}.{place}" for place, name in enumerate(NAMES, start=2)}


def _cable(address: str) -> str:
    """Name of this machine's end of a host's virtual cable."""
    network, _, place = address.rpartition(".")
    return f"{BRIDGES[network]}-{place}"


def _keys(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name in ("host", "root"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    shutil.copy(folder / "root.pub", folder / "authorized")


def _wire(name: str) -> None:
    """A namespace with an interface on each bridge."""
    space = f"{BRIDGE}-{name}"
    _ip("netns", "add", space)
    _ip("-n", space, "link", "set", "lo", "up")
    for number, network in enumerate(BRIDGES):
        address, device = _addresses(network)[name], f"eth{number}"
        _ip("link", "add", _cable(address), "type", "veth", "peer", "name", device, "netns", space)
        _ip("link", "set", _cable(address), "master", BRIDGES[network], "up")
        _ip("-n", space, "addr", "add", f"{address}/24", "dev", device)
        _ip("-n", space, "link", "set", device, "up")
    _ip("-n", space, "route", "add", "default", "via", THIS_MACHINE)


def _furnish(folder: Path, address: str, keys: Path) -> None:
    """A host's own files: home with its environment, /tmp/ray, and an /etc/passwd that says where home is."""
    (folder / "ray").mkdir(parents=True)
    (folder / "home").mkdir()
    (folder / "sshd_config").write_text(SSHD.format(address=address, keys=keys))
    accounts = Path("/etc/passwd").read_text()
    (folder / "passwd").write_text(accounts.replace(":/root:", f":{HOME}:", 1))
    (folder / "home" / ".profile").write_text("source ~/.bashrc\n")
    (folder / "home" / ".bashrc").touch()
    _environment(folder / "home" / "venv")


def _environment(folder: Path) -> None:
    """The result of `make setup VENV=~/venv EXTRAS=cluster`, as links to this machine's packages."""
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    here = [path for path in sys.path if path.endswith("-packages")]
    (packages / "here.pth").write_text("\n".join([*here, f"{HOME}/mi-ray"]))
    for name, module, function in (("ray", "ray.scripts.scripts", "main"), ("mlflow", "mlflow.cli", "cli")):
        script = folder / "bin" / name
        script.write_text(f"#!{HOME}/venv/bin/python\nfrom {module} import {function}\n{function}()\n")
        script.chmod(0o755)
    (folder / ".ready-cluster").touch()


def _boot(name: str, folder: Path, shared: Path) -> subprocess.Popen[bytes]:
    sshd = shutil.which("sshd", path=SBIN)
    script = ENTER.format(name=name, folder=folder, home=HOME, shared=shared, sshd=sshd)
    own = ["unshare", "--pid", "--fork", "--kill-child", "--mount", "--uts", "--mount-proc"]
    return subprocess.Popen(
        ["ip", "netns", "exec", f"{BRIDGE}-{name}", *own, "bash", "-c", script],
        env=os.environ | {"PATH": SBIN},
        stdout=(folder / "sshd.log").open("w"),
        stderr=subprocess.STDOUT,
    )


def _end(host: subprocess.Popen[bytes]) -> None:
    """Kill a host's first process, which ends all of its processes."""
    host.kill()
    host.wait()


def _wait(made: Hosts, name: str) -> None:
    command = [*made.ssh(name, "-o", "ConnectTimeout=2", "-o", "ConnectionAttempts=30"), "true"]
    if subprocess.run(command, timeout=90).returncode:
        raise RuntimeError(f"{name} does not come up: {(made.folder / name / 'sshd.log').read_text()}")

"""Nodes of a fleet on one machine, on one bridge: each has a network, a hostname and folders of its own.

All of it belongs to the namespaces that run.sh makes for the test run: nothing of the machine's own network is touched,
and whatever ends the run ends the nodes with all that runs on them.
"""

import os
import pwd
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.scheduler.airflow_server import ROOT

NETWORK = "198.18.0.0/15"
"""Kept for tests between networks (RFC 2544); no host of the internet has such an address."""
MARK = "PHRASEMILL_FLEET"
"""Set by run.sh inside the namespaces that it has made."""
FLEET = Path("/run/fleet")
"""Nodes' folders. run.sh makes it, in memory."""
SETTLE = """
set -e
hostname "$1"
mount --bind "$2/hosts" /etc/hosts
mkdir -p /run/kept/root /run/kept/own
mount --rbind "$3" /run/kept/root
mount --bind "$2/$1" /run/kept/own
mount -t tmpfs none /tmp
mkdir -p "$3"
mount --rbind /run/kept/root "$3"
mount -o remount,bind,ro "$3"
mount -t tmpfs none "$2"
mkdir "$2/$1"
mount --bind /run/kept/own "$2/$1"
umount -R /run/kept/root /run/kept/own
ip link set lo up
echo settled
exec sleep infinity
"""
"""What makes a node of a process: $1 its name, $2 all nodes' folders, $3 the checkout. Of the disk it sees its own
folder, and the checkout to read, as it would be in its image. The checkout may lie under /tmp."""


class Network:
    """A bridge with nodes on it; the tests themselves have its first address."""

    def __init__(self) -> None:
        if not (os.environ.get(MARK) and FLEET.is_dir()):
            raise RuntimeError("the fleet needs namespaces of its own: run it as tests/fleet/run.sh (make e2e-fleet)")
        self.nodes: dict[str, Node] = {}
        (FLEET / "hosts").write_text("127.0.0.1 localhost\n", encoding="utf-8")
        _ip("link", "set", "lo", "up")
        _ip("link", "add", "fleet", "type", "bridge")
        _ip("address", "add", "198.18.0.1/15", "dev", "fleet")
        _ip("link", "set", "fleet", "up")

    def add(self, *names: str) -> None:
        """Make nodes that know each other by name."""
        first = len(self.nodes)
        self.nodes |= {name: Node(name, f"198.18.1.{first + number}") for number, name in enumerate(names, 1)}
        with (FLEET / "hosts").open("a", encoding="utf-8") as hosts:
            hosts.writelines(f"{self.nodes[name].address} {name}\n" for name in names)
        for name in names:
            self.nodes[name].settle()

    def close(self) -> None:
        """End what holds the nodes. What runs on them ends with the test run."""
        for node in self.nodes.values():
            node.leave()


class Node:
    """One machine of the fleet, as far as its processes can tell."""

    def __init__(self, name: str, address: str) -> None:
        self.name, self.address = name, address
        self.folder = FLEET / name
        self.folder.mkdir()
        self._holder: subprocess.Popen[bytes] | None = None

    def settle(self) -> None:
        """Begin to be there."""
        command = ["unshare", "--net", "--uts", "--mount", "--propagation", "private", "bash", "-c", SETTLE]
        words = [*command, "settle", self.name, str(FLEET), str(ROOT)]
        self._holder = subprocess.Popen(words, stdout=subprocess.PIPE)
        if self._holder.stdout is None or self._holder.stdout.readline() != b"settled\n":
            raise RuntimeError(f"node {self.name} could not be made; util-linux and iproute2 say why above")
        _ip("link", "add", self.name, "type", "veth", "peer", "name", "eth0", "netns", str(self._holder.pid))
        _ip("link", "set", self.name, "master", "fleet", "up")
        for words in (["address", "add", f"{self.address}/15", "dev", "eth0"], ["link", "set", "eth0", "up"]):
            if self.popen(["ip", *words]).wait():
                raise RuntimeError(f"node {self.name} has no address")

    def leave(self) -> None:
        """End what holds the node."""
        if self._holder:
            self._holder.kill()
            self._holder.wait()

    def within(self, command: Sequence[str], *, user: str | None = None) -> list[str]:
        """A command as it is to be started here to run on the node."""
        assert self._holder
        enter = ["nsenter", f"--target={self._holder.pid}", "--net", "--uts", "--mount"]
        if user:
            account = pwd.getpwnam(user)
            enter += [f"--setuid={account.pw_uid}", f"--setgid={account.pw_gid}"]
        return [*enter, "--", *command]

    def popen(
        self, command: Sequence[str], *, user: str | None = None, group: str | None = None, **how: Any
    ) -> "subprocess.Popen[Any]":
        """Start a process on the node, as `subprocess.Popen` does here; its group is the user's."""
        return subprocess.Popen(self.within(command, user=user), **how)

    def cut(self) -> None:
        """Take its link down: whatever is sent to or from it is lost, and nobody is told."""
        _ip("link", "set", self.name, "down")

    def mend(self) -> None:
        """Put its link up again."""
        _ip("link", "set", self.name, "up")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)

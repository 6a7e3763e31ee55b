"""
Networks of a test's own: one namespace for the daemon, one for its origins, a veth pair between.

    with Network() as network:
        with network.origins.inside(): RawOrigin(address=network.addresses[0])
        start_daemon(wrapper=network.wrapper(resolver))
        with network.dark(address): ...         nothing passes to or from it
        with network.unplugged(): ...           the origins' end of the cable is out

What is changed is changed back at the end of its block. The namespaces have no names and live as long
as the process that holds them, which ends with ours: nothing outside is touched, nothing is left.
"""

import contextlib
import ctypes
import itertools
import subprocess

from .nameserver import OWN_RESOLVER, NotPermitted

CLONE_NEWNET = 0x40000000

HOLD = ["unshare", "-n", "sh", "-c", "ip link set lo up && echo up && exec cat"]

DAEMON = "10.77.0.1"  # the daemon's end of the cable
NAME_SERVER = "10.77.0.53"
ORIGINS = ["10.77.0.2", "10.77.0.3", "10.77.0.4"]
NOWHERE = "203.0.113.1"  # there is no route to it

SYN_ONLY = "tcp flags & (syn | ack) == syn"

HOOKS = {"arriving": "prerouting priority -300", "delivered": "input priority 0",
         "leaving": "postrouting priority 300"}


def setns(handle):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(handle.fileno(), CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Namespace:
    def __init__(self):
        if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0:
            raise NotPermitted("a mount namespace is not permitted here")
        self.process = subprocess.Popen(HOLD, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "up\n":
            raise NotPermitted(f"a network namespace is not permitted here: {self.close()}")
        self.path = f"/proc/{self.process.pid}/ns/net"

    def close(self):
        _, errors = self.process.communicate()
        return errors.strip()

    def enter(self):
        """The beginning of a command that is to run inside."""
        return ["nsenter", f"--net={self.path}"]

    def run(self, *command, text=None):
        done = subprocess.run([*self.enter(), *command], input=text, capture_output=True, text=True)
        if done.returncode != 0:
            raise NotPermitted(f"{' '.join(command)}: {done.stderr.strip()}")

    @contextlib.contextmanager
    def inside(self):
        """What this thread opens or starts meanwhile is in the namespace, and stays there."""
        with open("/proc/thread-self/ns/net") as ours, open(self.path) as theirs:
            setns(theirs)
            try:
                yield
            finally:
                setns(ours)

    def set(self, key, value):
        self.run("sh", "-c", f'echo "$1" > /proc/sys/{key.replace(".", "/")}', "sh", str(value))


class Network:
    """`daemon`, `origins`: the two namespaces."""

    def __init__(self):
        self.numbers = itertools.count(1)
        with contextlib.ExitStack() as stack:
            self.daemon = Namespace()
            stack.callback(self.daemon.close)
            self.origins = Namespace()
            stack.callback(self.origins.close)
            self._join()
            with self._filtered({"arriving": [f"ip daddr {NOWHERE} drop"]}):
                pass  # so that who lacks nft or its rights learns it here
            self.stack = stack.pop_all()

    def _join(self):
        self.daemon.run("ip", "link", "add", "cable", "type", "veth", "peer", "name", "cable",
                        "netns", str(self.origins.process.pid))
        for side, addresses in (self.daemon, [DAEMON]), (self.origins, [*ORIGINS, NAME_SERVER]):
            for address in addresses:
                side.run("ip", "address", "add", f"{address}/24", "dev", "cable")
            side.run("ip", "link", "set", "cable", "up")
        self.origins.set("net.ipv4.icmp_ratelimit", 0)  # each refusal by ICMP is to be heard

    def close(self):
        self.stack.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def wrapper(self, resolver):
        """For start_daemon(): in its namespace, with that file as /etc/resolv.conf."""
        return [*self.daemon.enter(), *OWN_RESOLVER, str(resolver)]

    # ---- What goes wrong on the way

    @contextlib.contextmanager
    def _filtered(self, rules):
        """Rules of nft(8) at the origins' end, by hook."""
        table = f"inet fault{next(self.numbers)}"
        chains = [f"chain {hook} {{ type filter hook {HOOKS[hook]}; {'; '.join(lines)}; }}"
                  for hook, lines in rules.items()]
        self.origins.run("nft", "-f", "-", text=f"table {table} {{\n" + "\n".join(chains) + "\n}\n")
        try:
            yield
        finally:
            self.origins.run("nft", "delete", "table", *table.split())

    def dark(self, address):
        """Nothing passes to or from that address."""
        return self._filtered({"arriving": [f"ip daddr {address} drop"],
                               "leaving": [f"ip saddr {address} drop"]})

    def without_handshakes(self, address):
        """Nobody's first packet arrives; what is established goes on."""
        return self._filtered({"arriving": [f"ip daddr {address} {SYN_ONLY} drop"]})

    def forgotten(self, address, ports):
        """What a middlebox does to connections that it has forgotten. `ports`: the daemon's ends."""
        ports = "{ " + ", ".join(map(str, ports)) + " }"
        return self._filtered({"arriving": [f"ip daddr {address} tcp sport {ports} drop"],
                               "leaving": [f"ip saddr {address} tcp dport {ports} drop"]})

    def refusing(self, address, why):
        """Packets are answered by ICMP: "host-unreachable", "admin-prohibited", … of nft(8)."""
        return self._filtered({"delivered": [f"ip daddr {address} reject with icmp type {why}"]})

    @contextlib.contextmanager
    def unplugged(self):
        self.origins.run("ip", "link", "set", "cable", "down")
        try:
            yield
        finally:
            self.origins.run("ip", "link", "set", "cable", "up")

    @contextlib.contextmanager
    def route(self, kind, prefix):
        """A route of the daemon's that leads nowhere: "unreachable", "prohibit", … of ip-route(8)."""
        self.daemon.run("ip", "route", "add", kind, prefix)
        try:
            yield
        finally:
            self.daemon.run("ip", "route", "del", kind, prefix)

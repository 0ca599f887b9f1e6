#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A guest in a virtual machine: QEMU, its network over vhost-user, and a way to run commands in it.

    machine.py exec DIRECTORY COMMAND...

runs a command in the guest whose QEMU was started in DIRECTORY, as `ip netns exec` does in a
namespace: output, errors, exit status and signals are the command's; 255: there is no guest.
"""

import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]

import image  # noqa: E402
from agent import FRAME, begin  # noqa: E402
from lab import REPO, Guest, LabError, text_of, until  # noqa: E402

QEMU = "qemu-system-x86_64"
PORTS = 8  # commands at a time
NO_GUEST = 255
BOOT_SECONDS = 90

OFFLOADS_OFF = ",".join(
    f"{name}=off"
    for name in ("csum", "guest_csum", "gso", "guest_tso4", "guest_tso6", "host_tso4", "host_tso6")
)


def hardware():
    """Whether KVM can run a guest: /dev/kvm alone may also be there without it."""
    with open("/proc/cpuinfo") as f:
        return re.search(r"\b(vmx|svm)\b", f.read()) is not None and os.access("/dev/kvm", os.W_OK)


def cache():
    """Where make puts what it makes, whatever the flavour."""
    return os.path.join(os.path.dirname(os.environ.get("VR_BUILD", os.path.join(REPO, "build/release"))), "vm")


class Machine(Guest):
    """What a Guest is, but a real one: its commands run in a virtual machine.

    socket      the vhost-user socket of its network interface
    listens     QEMU listens at the socket (server=on) and the router's agent connects; else the
                agent listens, and QEMU connects again and again
    offloads    whether the guest is offered checksums and segmentation
    """

    def __init__(self, lab, name, path, mac_address, ip_address, queues=1, listens=True, offloads=True):
        self.lab, self.name, self.netns = lab, name, None
        self.socket, self.mac, self.address = path, mac_address, ip_address
        self.queues, self.listens, self.offloads = queues, listens, offloads
        self.dir = os.path.join(lab.dir, name)
        self.console = os.path.join(self.dir, "console")
        self.log = os.path.join(self.dir, "qemu.log")
        self.interface = "eth0"
        self.qemu = None
        os.makedirs(self.dir)
        lab.guests.append(self)

    def arguments(self):
        kernel, initramfs = image.build(cache(), self.lab.dir)
        kvm = hardware()
        # TCG copies byte by byte what the CPU promises to be fast at.
        cpu = ["-accel", "kvm", "-cpu", "host"] if kvm else ["-accel", "tcg,thread=multi", "-cpu", "max,-erms,-fsrm"]
        wait = "server=on,wait=off" if self.listens else "reconnect=1"
        # status=off: QEMU takes the link down when the agent is gone, and a guest that looks at it
        # does nothing for up to a second. vectors=0: QEMU 7.2 dies of MSI-X over vhost-user
        # without KVM. rx_queue_size: a guest that is scheduled late loses what its queue cannot hold,
        # and segments that come through a tunnel take a buffer each.
        options = "status=off,rx_queue_size=1024"
        if self.queues > 1:
            options += ",mq=on"
        if not kvm:
            options += ",vectors=0"
        elif self.queues > 1:
            options += f",vectors={2 * self.queues + 2}"
        if not self.offloads:
            options += "," + OFFLOADS_OFF
        ports = []
        for n in range(PORTS):
            ports += ["-chardev", f"socket,id=port{n},path={self.dir}/port{n},server=on,wait=off"]
            ports += ["-device", f"virtserialport,chardev=port{n},nr={n + 1},name=port{n}"]
        return [
            QEMU, "-name", self.name, *cpu, "-smp", str(self.queues), "-m", "256",
            "-machine", "q35,memory-backend=mem", "-object", "memory-backend-memfd,id=mem,size=256M,share=on",
            "-nodefaults", "-no-user-config", "-display", "none", "-serial", f"file:{self.console}",
            "-kernel", kernel, "-initrd", initramfs,
            "-append", f"console=ttyS0 quiet panic=-1 mitigations=off net.ifnames=0 vr.address={self.address}/24",
            "-chardev", f"socket,id=net0,path={self.socket},{wait}",
            "-netdev", f"vhost-user,id=net0,chardev=net0,queues={self.queues}",
            "-device", f"virtio-net-pci,netdev=net0,mac={self.mac},romfile=,{options}",
            "-device", f"virtio-serial-pci,max_ports={PORTS + 1}", *ports,
        ]  # fmt: skip

    # --- life

    def start(self):
        """Starts QEMU; wait_up() waits for the guest."""
        self.qemu = self.lab.popen(self.arguments(), log=self.log)
        return self

    def wait_up(self, seconds=BOOT_SECONDS):
        try:
            until(self.is_up, seconds, f"the guest {self.name} has booted", 0.05)
        except LabError as e:
            raise LabError(f"{e}; it said: {self.words()}") from None
        # Or times measured in there would mean nothing here.
        subprocess.run([os.path.abspath(__file__), "clock", self.dir], timeout=10, check=False)
        return self

    def is_up(self):
        return self.boot_id() is not None

    def words(self):
        return (text_of(self.log) + text_of(self.console))[-1500:]

    def boot_id(self):
        """Another one after every boot; None while the guest does not answer."""
        if self.qemu.poll() is not None:
            raise LabError(f"QEMU of {self.name} ended with {self.qemu.returncode}: {self.words()}")
        # What was asked before the guest listens, or while it goes down, may be lost: ask again.
        try:
            done = self.run("cat", "/proc/sys/kernel/random/boot_id", seconds=1)
        except subprocess.TimeoutExpired:
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    def kill(self):
        """QEMU alone, at once."""
        self.qemu.kill()
        self.qemu.wait()

    def close(self):
        if self.qemu is not None and self.qemu.poll() is None:
            self.kill()

    # --- commands

    def command(self, *args):
        return [os.path.abspath(__file__), "exec", self.dir, *args]


# --- the command line


def free_port(directory):
    """A port that nobody has; it is ours as long as we live."""
    for n in range(PORTS):
        path = os.path.join(directory, f"port{n}")
        lock = os.open(path + ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            continue
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.connect(path)
        return sock
    sys.exit(f"{directory}: {PORTS} commands run in this guest, and there are no more ports")


class Reader:
    """Frames of an answer, from where it begins."""

    def __init__(self, sock, name):
        self.sock, self.mark, self.unread = sock, begin(name), b""
        self.begun = False

    def frames(self):
        """What there is now; None at the end."""
        data = self.sock.recv(65536)
        if not data:
            return None
        self.unread += data
        if not self.begun:
            _, found, rest = self.unread.partition(self.mark)
            if not found:
                self.unread = self.unread[-len(self.mark) :]
                return []
            self.begun, self.unread = True, rest
        found = []
        while len(self.unread) >= FRAME.size:
            kind, length = FRAME.unpack_from(self.unread)
            if len(self.unread) < FRAME.size + length:
                break
            found.append((kind, self.unread[FRAME.size : FRAME.size + length]))
            self.unread = self.unread[FRAME.size + length :]
        return found


def write_all(fd, data):
    while data:
        data = data[os.write(fd, data) :]


def execute(directory, argv, clock=False):
    try:
        sock = free_port(directory)
    except OSError as e:
        print(f"{directory}: {e.strerror}", file=sys.stderr)
        return NO_GUEST
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda n, _: sock.send(bytes([n])))
    name = os.urandom(8).hex()
    request = {"id": name, "argv": argv}
    if clock:
        request["now_ns"] = time.time_ns()
    sock.sendall(b"\0" + json.dumps(request).encode() + b"\n")
    reader = Reader(sock, name)
    while True:
        try:
            frames = reader.frames()
        except OSError:
            frames = None
        if frames is None:
            print("the guest is gone", file=sys.stderr)
            return NO_GUEST
        for kind, data in frames:
            if kind == b"x":
                return int(data) & 0xFF
            write_all(1 if kind == b"o" else 2, data)


def main(args):
    try:
        if len(args) == 2 and args[0] == "clock":
            sys.exit(execute(args[1], ["true"], clock=True))
        if len(args) >= 3 and args[0] == "exec":
            sys.exit(execute(args[1], args[2:]))
        sys.exit(__doc__)
    except BrokenPipeError:
        os._exit(NO_GUEST)


if __name__ == "__main__":
    main(sys.argv[1:])

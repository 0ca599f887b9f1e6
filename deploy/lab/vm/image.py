# SPDX-License-Identifier: BSD-3-Clause
"""What a guest boots: Debian's kernel, and an initramfs made of what is installed here.

There is no disk. The initramfs holds busybox, a few programs with their libraries, the modules for
virtio, Python with the modules that our own scripts import, and these scripts at the place where
they are here, so that a command that works in a network namespace works in a guest.
"""

import os
import re
import shutil
import stat
import subprocess
import tempfile

from lab import PYTHON, LabError

HERE = os.path.dirname(os.path.abspath(__file__))
LAB = os.path.dirname(HERE)
PACKAGE = "linux-image-cloud-amd64"
MODULES = ("virtio_pci", "virtio_net", "virtio_console")
PROGRAMS = ("ip", "ss", "ethtool", "ping", "iperf3")
SCRIPTS = (f"{HERE}/agent.py", f"{LAB}/probe.py", f"{LAB}/stream.py")
DIRECTORIES = ("bin", "dev", "etc", "modules", "proc", "run", "sys", "tmp", "usr/bin", "usr/lib", "usr/lib64")
# As Debian has them: libraries are named by either path.
LINKS = {"lib": "usr/lib", "lib64": "usr/lib64", "sbin": "bin", "usr/sbin": "bin"}


def output(*command, **options):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise LabError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


# --- the kernel


def kernel(cache):
    """The directory of an unpacked kernel package: boot/vmlinuz-*, lib/modules/*."""
    os.makedirs(cache, exist_ok=True)
    there = sorted(name for name in os.listdir(cache) if name.startswith("linux-image-"))
    if there:
        return os.path.join(cache, there[-1])
    try:
        return download(cache)
    except LabError:
        # Perhaps this machine has no lists of packages yet, or old ones.
        output("apt-get", "-q", "update")
        return download(cache)


def download(cache):
    depends = output("apt-cache", "depends", "--important", PACKAGE)
    name = re.search(r"Depends: (linux-image-\S+)", depends)
    if name is None:
        raise LabError(f"there is no package {PACKAGE}, whose kernel guests boot: is this Debian 12?")
    path = os.path.join(cache, name[1])
    with tempfile.TemporaryDirectory(dir=cache) as work:
        # Unpacked, not installed: nothing here shall boot it.
        output("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", name[1], cwd=work)
        package = [f for f in os.listdir(work) if f.endswith(".deb")][0]
        output("dpkg-deb", "-x", package, "unpacked", cwd=work)
        try:
            os.rename(os.path.join(work, "unpacked"), path)
        except OSError:
            if not os.path.isdir(path):  # somebody else was faster
                raise
    return path


def vmlinuz(unpacked):
    boot = os.path.join(unpacked, "boot")
    return os.path.join(boot, [f for f in os.listdir(boot) if f.startswith("vmlinuz-")][0])


def modules(unpacked):
    """[(name, contents)], each behind those it depends on."""
    where = {}
    for directory, _, names in os.walk(os.path.join(unpacked, "lib/modules")):
        for name in names:
            if name.endswith(".ko"):
                where[name[:-3].replace("-", "_")] = os.path.join(directory, name)
    found = {}

    def add(name):
        if name in found or name not in where:  # not a module: built in
            return
        with open(where[name], "rb") as f:
            data = f.read()
        depends = re.search(rb"\0depends=([^\0]*)\0", data)
        for other in depends[1].decode().split(",") if depends else ():
            add(other.replace("-", "_"))
        found[name] = data

    for name in MODULES:
        add(name)
    return list(found.items())


# --- the initramfs


class Archive:
    """A cpio archive in the format that the kernel unpacks (newc)."""

    def __init__(self, path):
        self.file = open(path, "wb")
        self.names = set()
        self.inode = 0

    def entry(self, name, mode, data=b"", mtime=0):
        if name in self.names:
            return
        self.names.add(name)
        self.inode += 1
        fields = (self.inode, mode, 0, 0, 1, int(mtime), len(data), 0, 0, 0, 0, len(name) + 1, 0)
        self.pad(b"070701" + b"".join(b"%08x" % f for f in fields) + name.encode() + b"\0")
        self.pad(data)

    def pad(self, data):
        self.file.write(data + b"\0" * (-len(data) % 4))

    def directory(self, name):
        parent = os.path.dirname(name)
        if parent:
            self.directory(parent)
        if name:
            self.entry(name, stat.S_IFDIR | 0o755)

    def text(self, name, text, mode=0o644):
        self.directory(os.path.dirname(name))
        self.entry(name, stat.S_IFREG | mode, text if isinstance(text, bytes) else text.encode())

    def link(self, name, target):
        self.directory(os.path.dirname(name))
        self.entry(name, stat.S_IFLNK | 0o777, target.encode())

    def copy(self, path, name=None):
        """A file from here, at the same place or as 'name', with its time."""
        name = (name or path).lstrip("/")
        status = os.stat(path)
        self.directory(os.path.dirname(name))
        with open(path, "rb") as f:
            self.entry(name, stat.S_IFREG | status.st_mode & 0o777, f.read(), status.st_mtime)

    def program(self, path, name=None):
        """With the libraries it is linked with."""
        self.copy(path, name)
        for library in libraries(path):
            self.copy(library)

    def close(self):
        self.entry("TRAILER!!!", 0)
        self.file.close()


def libraries(path):
    done = subprocess.run(["ldd", path], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    # A static one has none, and ldd says so by failing.
    return re.findall(r"(?:=> |^\t)(/\S+) \(", done.stdout, re.M)


def which(program):
    path = shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin")
    if path is None:
        raise LabError(f"no program {program} to put into guests: deploy/install-deps.sh installs it")
    return path


def python_files():
    """What Python reads when it runs our scripts, compiled files too: guests are slow."""
    imports = {"encodings.idna"}  # of names that sockets connect to
    for script in SCRIPTS:
        with open(script) as f:
            imports.update(re.findall(r"^import (\w+)$", f.read(), re.M))
    code = (
        f"import sys, {', '.join(sorted(imports))}\n"
        "for m in list(sys.modules.values()):\n"
        "  for f in (getattr(m, '__file__', None), getattr(m, '__cached__', None)):\n"
        "    f and print(f)\n"
    )
    files = output(PYTHON, "-S", "-E", "-c", code).split()
    return [f for f in files if os.path.exists(f)]


def initramfs(unpacked, path):
    """Writes it to 'path': not compressed, for guests may be emulated, and memory is not scarce."""
    archive = Archive(path)
    for name in DIRECTORIES:
        archive.directory(name)
    for name, target in LINKS.items():
        archive.link(name, target)
    archive.copy(f"{HERE}/init", "init")
    archive.copy(which("busybox"), "bin/busybox")
    for name in PROGRAMS:
        archive.program(which(name), f"usr/bin/{name}")
    # busybox' own shell would take its own ip, ping and so on.
    archive.program("/bin/dash", "bin/sh")
    archive.program(os.path.realpath(PYTHON), PYTHON)
    for name in python_files():
        archive.program(name) if name.endswith(".so") else archive.copy(name)
    for script in SCRIPTS:
        archive.copy(script)
    loaded = modules(unpacked)
    for name, data in loaded:
        archive.text(f"modules/{name}.ko", data)
    archive.text("etc/modules", "".join(f"{name}\n" for name, _ in loaded))
    archive.text("etc/agent", SCRIPTS[0] + "\n")
    archive.text("etc/passwd", "root:x:0:0::/:/bin/sh\n")
    archive.text("etc/hosts", "127.0.0.1 localhost\n")
    archive.close()


def build(cache, directory):
    """(kernel, initramfs): paths."""
    unpacked = kernel(cache)
    path = os.path.join(directory, "initramfs")
    if not os.path.exists(path):
        initramfs(unpacked, path + ".new")
        os.rename(path + ".new", path)
    return vmlinuz(unpacked), path

# SPDX-License-Identifier: BSD-3-Clause
"""Control groups with limits for one process, version 2 or the older one, whichever is here."""

import os

ROOT = "/sys/fs/cgroup"

# name -> (file of version 1, its controller, file of version 2)
LIMITS = {
    "memory": ("memory.limit_in_bytes", "memory", "memory.max"),
    "pids": ("pids.max", "pids", "pids.max"),
    "cpu": ("cpu.cfs_quota_us", "cpu", "cpu.max"),
}


class NoCgroup(Exception):
    """Why no group can be made here."""


class Cgroup:
    """A group of the lab's, with the limits given: memory in bytes, pids, cpu in percent."""

    def __init__(self, lab, name, **limits):
        self.name = lab.name(name)
        self.dirs = []
        try:
            for limit, value in limits.items():
                self.limit(limit, value)
        except OSError as e:
            self.remove()
            raise NoCgroup(f"no control group with a limit of {', '.join(limits)} can be made here: {e}") from None

    def limit(self, limit, value):
        old, controller, new = LIMITS[limit]
        if os.path.exists(f"{ROOT}/{controller}/tasks"):
            directory = f"{ROOT}/{controller}/{self.name}"
            text = f"{value * 1000}" if limit == "cpu" else str(value)
            file = old
        else:
            directory = f"{ROOT}/{self.name}"
            text = f"{value * 1000} 100000" if limit == "cpu" else str(value)
            file = new
        if directory not in self.dirs:
            os.makedirs(directory, exist_ok=True)
            self.dirs.append(directory)
        self.write(f"{directory}/{file}", text)

    @staticmethod
    def write(path, text):
        with open(path, "w") as f:
            f.write(text)

    def wrap(self):
        """Put before a command: runs it in the group, limits and all, from its first instruction."""
        enter = " && ".join(f"echo $$ >{d}/cgroup.procs" for d in self.dirs)
        return ["/bin/sh", "-c", f'{enter} && exec "$@"', "sh"]

    def peak_memory(self):
        for d in self.dirs:
            for name in ("memory.max_usage_in_bytes", "memory.peak"):
                path = f"{d}/{name}"
                if os.path.exists(path):
                    with open(path) as f:
                        return int(f.read())
        return None

    def remove(self):
        for d in self.dirs:
            try:
                os.rmdir(d)
            except OSError:
                pass

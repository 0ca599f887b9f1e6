# SPDX-License-Identifier: BSD-3-Clause
"""What docs/forwarding.md tells people to type is what the router takes."""

import os
import re

from lab import REPO
from runner import test


def blocks():
    """The indented blocks of the page, as texts."""
    with open(os.path.join(REPO, "docs", "forwarding.md"), encoding="utf-8") as f:
        found = re.findall(r"(?:^    .*\n)+", f.read(), re.MULTILINE)
    return [re.sub(r"^    ", "", b, flags=re.MULTILINE) for b in found]


@test
def every_block_of_the_page_on_forwarding_applies(t):
    r = t.router().start_all()
    path = os.path.join(t.lab.dir, "block")
    texts = [b for b in blocks() if " add " in b]
    assert len(texts) >= 7, f"{len(texts)} blocks"
    taps = {}  # interfaces' names are the whole machine's

    def tap(match):
        return "tap.name=" + taps.setdefault(match[1], t.lab.tap_name("doc", len(taps) + 1))

    for text in texts:
        with open(path, "w", encoding="utf-8") as f:
            f.write(re.sub(r"tap\.name=(\w+)", tap, text))
        for once_more in (False, True):
            said = r.vrctl(f"apply {path}")
            assert not once_more or " 0 " in said or "othing" in said, f"applied twice: {said}"
    dump = r.vrctl("dump")
    for word in ("type=tunnel", "type=ecmp", "type=host", "rule add", "mac=02:00:00:00:00:01", "vni=5001"):
        assert word in dump, f"{word} is not in the dump:\n{dump}"

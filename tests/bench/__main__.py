# SPDX-License-Identifier: BSD-3-Clause
"""The benchmark: our own cases and testpmd's (bench.py), then those of others (peers.py)."""

import sys

sys.dont_write_bytecode = True

import bench  # noqa: E402
import peers  # noqa: E402

bench.CASES.update(peers.CASES)
bench.main()

# SPDX-License-Identifier: BSD-3-Clause
"""Log levels set at run time count in every process, also in those that come later."""

from lab import text_of, until
from runner import test


@test
def a_level_set_at_run_time_counts_in_workers_and_their_successors(t):
    r = t.router(slots=("10",)).start_all()
    assert "slot 10: animated" in text_of(r.log)

    r.vrctl("log set slot=error")
    (level,) = r.ask("log get module=slot")
    assert level["level"] == "error" and level["state"]["set"], level
    before = text_of(r.log).count("slot 10: animated")
    old = r.pids_of("vr-fwd")
    r.kill(old[0])
    until(lambda: r.pids_of("vr-fwd") not in ([], old), 20, "another worker")
    r.wait_well()
    assert text_of(r.log).count("slot 10: animated") == before, r.log_tail()

    r.vrctl("log set slot=info")
    r.kill(r.pids_of("vr-fwd")[0], 15)
    until(lambda: "slot 10: left" in text_of(r.log), 20, "a worker that runs obeys")


@test
def levels_survive_control_and_can_be_taken_back(t):
    r = t.router(slots=("10",)).start_all()
    configured = r.ask("log get module=port")[0]["level"]
    r.vrctl("log set level=error")
    r.vrctl("log set timer=debug")
    old = r.pids_of("vr-ctl")
    r.kill(old[0])
    until(lambda: r.pids_of("vr-ctl") not in ([], old), 20, "another vr-ctl")
    r.wait_well()
    levels = {m["module"]: m["level"] for m in r.ask("log list")}
    assert levels["timer"] == "debug" and levels["port"] == levels["*"] == "error", levels
    r.vrctl("log set timer=default")
    assert r.ask("log get module=timer")[0]["level"] == "error"
    r.vrctl("log set level=default")
    assert r.ask("log get module=port")[0]["level"] == configured
    assert "log list" in r.vrctl("log set moon=debug", expect=1)
    assert "warning" in r.vrctl("log set port=loud", expect=1)

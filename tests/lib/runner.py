#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs system tests: functions marked with @test in the files test_*.py of a folder.

    runner.py [--list] FOLDER [PATTERN]

A test's name is a sentence. It gets a T, whose lab it uses and which takes everything down
afterwards, however the test ended. Prints a line for each: ok, FAIL or skip, with its time; what a
failed one said, and the end of its routers' logs, follow indented. Needs root and $VR_LAB
(deploy/lib.sh).
"""

import importlib.util
import os
import shutil
import signal
import sys
import time
import traceback

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
REPO = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(REPO, "deploy/lab")]
sys.modules.setdefault("runner", sys.modules[__name__])

import lab as laboratory  # noqa: E402

_found = []


class Skip(Exception):
    """Why a test cannot run here."""


class TimedOut(Exception):
    pass


def test(function=None, *, seconds=60):
    """Marks a test; 'seconds' is how long it may take."""
    if function is None:
        return lambda f: test(f, seconds=seconds)
    function.seconds = seconds
    _found.append(function)
    return function


class T:
    """What a test works with."""

    def __init__(self, number):
        self.lab = laboratory.Lab(os.path.join(os.environ["VR_LAB"], f"t{number}"))
        self.notes = []
        self._after = []

    def skip(self, why):
        raise Skip(why)

    def note(self, text):
        """A figure worth reading, shown with the result."""
        self.notes.append(text)

    def after(self, function, *args):
        """To be called when the test is over, last first."""
        self._after.append((function, args))

    def router(self, name="r", **options):
        return self.lab.router(name, **options)

    def pair(self, **options):
        """A running router with two bridged guests."""
        r = self.router(**options).start_all()
        a, b = self.lab.guest("a"), self.lab.guest("b")
        r.connect([a, b])
        return r, a, b

    def logs(self):
        out = ""
        for r in self.lab.routers:
            out += f"{r.log}:{r.log_tail(25)}\n"
        return out

    def close(self):
        for function, args in reversed(self._after):
            try:
                function(*args)
            except Exception as e:  # the others must still be called
                print(f"     after the test: {e}", flush=True)
        self.lab.close()
        shutil.rmtree(self.lab.dir, ignore_errors=True)


def sentence(function):
    return function.__name__.replace("_", " ")


def collect(folder):
    tests = []
    for name in sorted(os.listdir(folder)):
        if not (name.startswith("test_") and name.endswith(".py")):
            continue
        spec = importlib.util.spec_from_file_location(name[:-3], os.path.join(folder, name))
        module = importlib.util.module_from_spec(spec)
        del _found[:]
        spec.loader.exec_module(module)
        tests += [(f"{name[5:-3]}: {sentence(f)}", f) for f in _found]
    return tests


def on_alarm(*_):
    raise TimedOut


def on_end(number, _):
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def run_one(number, name, function):
    begin = time.monotonic()
    t = None
    what, why = "ok", ""
    signal.alarm(function.seconds)
    try:
        t = T(number)
        function(t)
    except Skip as e:
        what, why = "skip", str(e)
    except TimedOut:
        what, why = "FAIL", f"took longer than {function.seconds} s\n{traceback.format_exc(limit=-3)}"
    except (AssertionError, laboratory.LabError) as e:
        last = traceback.extract_tb(e.__traceback__)
        here = [f for f in last if f.filename.startswith(REPO)][-1]
        first = [f for f in last if os.path.basename(f.filename).startswith("test_")]
        here = first[-1] if first else here
        what, why = "FAIL", f"{os.path.basename(here.filename)}:{here.lineno}: {here.line}\n{e}"
    except Exception:  # a test's own mistake, which must not end the others
        what, why = "FAIL", traceback.format_exc(limit=-4)
    finally:
        signal.alarm(0)
        logs = t.logs() if t and what == "FAIL" else ""
        if t:
            t.close()
    ms = int((time.monotonic() - begin) * 1000)
    notes = "; ".join(t.notes) if t else ""
    if what == "skip":
        print(f"skip {name}: {why}", flush=True)
    else:
        print(f"{what:4} {name}, {ms} ms" + (f" ({notes})" if notes else ""), flush=True)
    if what == "FAIL":
        for line in (why.rstrip() + "\n" + logs).splitlines():
            print("     " + line, flush=True)
    return what


def main(args):
    only_list = args[:1] == ["--list"]
    if only_list:
        args = args[1:]
    if not 1 <= len(args) <= 2:
        sys.exit(__doc__)
    pattern = args[1] if len(args) == 2 else ""
    tests = [(n, f) for n, f in collect(args[0]) if pattern in n]
    if only_list:
        for name, _ in tests:
            print(name)
        return 0
    signal.signal(signal.SIGALRM, on_alarm)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_end)
    results = []
    try:
        for number, (name, function) in enumerate(tests, 1):
            results.append(run_one(number, name, function))
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        return 130
    return 1 if "FAIL" in results else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

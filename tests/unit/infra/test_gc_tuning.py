"""The collector looks rarely, and still looks; background work interrupts nobody."""

import os
import subprocess
import sys

import pytest

from infra.process.tuning import interrupt_nobody


def test_the_collector_leaves_what_was_imported_alone_and_still_frees_cycles():
    script = """if True:
        import gc, weakref
        from infra.process.tuning import collect_rarely
        collect_rarely()
        assert gc.isenabled() and gc.get_freeze_count() > 1000 and gc.get_threshold()[0] > 10_000
        class Cycle: pass
        one = Cycle(); one.itself = one; seen = weakref.ref(one); del one
        kept = [[] for _ in range(2 * gc.get_threshold()[0])]
        assert seen() is None"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_a_process_whose_clients_wait_has_shorter_looks_and_no_more_long_ones():
    script = """if True:
        import gc
        from infra.process.tuning import FEW_YOUNG, YOUNG, collect_rarely
        periods = []
        for young in (YOUNG, FEW_YOUNG):
            collect_rarely(young)
            periods.append(gc.get_threshold()[0] * gc.get_threshold()[1])
            assert gc.get_threshold()[0] == young
        assert periods[0] == periods[1]"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="Linux only")
def test_a_process_that_interrupts_nobody_says_so_to_the_scheduler_and_so_do_its_threads():
    script = """if True:
        import os, threading
        from infra.process.tuning import interrupt_nobody
        interrupt_nobody()
        seen = []
        thread = threading.Thread(target=lambda: seen.append(os.sched_getscheduler(0)))
        thread.start(); thread.join()
        assert os.sched_getscheduler(0) == seen[0] == os.SCHED_BATCH"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_where_the_scheduler_refuses_nothing_changes(monkeypatch):
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse, raising=False)
    monkeypatch.setattr(os, "SCHED_BATCH", 3, raising=False)
    monkeypatch.setattr(os, "sched_param", int, raising=False)
    interrupt_nobody()

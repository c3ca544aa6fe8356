"""The collector looks rarely, and still looks."""

import subprocess
import sys


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

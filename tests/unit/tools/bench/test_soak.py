"""Growth of memory, from samples."""

import pytest

from tools.bench.stack_load.soak import growths


def test_a_line_through_the_samples_after_the_warm_up_tells_growth():
    samples = [(0.0, {"gateway": 10.0}), *((float(at), {"gateway": 50.0 + at / 60}) for at in range(300, 900, 10))]

    (gateway,) = growths(samples, warm_up_s=300)

    assert gateway.mib_an_hour == pytest.approx(60.0)
    assert gateway.bytes_an_order(200) == pytest.approx(60 * 2**20 / 3600 / 200)
    assert (gateway.first_mib, gateway.last_mib) == (pytest.approx(55.0), pytest.approx(50 + 890 / 60))


def test_a_process_that_was_not_there_all_the_time_is_left_out():
    samples = [(0.0, {"gateway": 1.0, "notifier": 1.0}), (10.0, {"gateway": 1.0}), (20.0, {"gateway": 1.0, "notifier": 1.0})]

    assert [one.process for one in growths(samples, warm_up_s=0)] == ["gateway"]


def test_one_sample_tells_nothing():
    assert growths([(0.0, {"gateway": 1.0})], warm_up_s=0) == []

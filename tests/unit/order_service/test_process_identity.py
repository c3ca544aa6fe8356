"""A process is known by its number and its start."""

import os
import signal
import subprocess

import psutil
import pytest

from order_service.stack.process_identity import ProcessIdentity, end_processes


def test_this_process_is_found_and_another_start_is_not() -> None:
    own = ProcessIdentity.own()
    found = own.find()
    assert found
    assert found.pid == os.getpid()
    assert own._replace(started=own.started - 1).find() is None


def test_only_the_very_process_is_ended() -> None:
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        identity = ProcessIdentity.of(sleeper.pid)
        assert end_processes([identity._replace(started=identity.started - 1)], grace_s=0) == []
        assert sleeper.poll() is None
        assert end_processes([identity], grace_s=5) == [sleeper.pid]
        assert sleeper.wait() == -signal.SIGTERM
        assert identity.find() is None


def test_who_does_not_listen_is_killed() -> None:
    with subprocess.Popen(["sh", "-c", "trap '' TERM; echo; while :; do sleep 0.05; done"], stdout=subprocess.PIPE) as stubborn:
        assert stubborn.stdout
        stubborn.stdout.readline()
        end_processes([ProcessIdentity.of(stubborn.pid)], grace_s=0.1)
        assert stubborn.wait() == -signal.SIGKILL


def test_a_number_that_nobody_has() -> None:
    with pytest.raises(psutil.NoSuchProcess):
        ProcessIdentity.of(2**22 + 1)

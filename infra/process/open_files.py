"""How many files and sockets a process may have open: each client is one."""

import resource


def allow_many_files() -> None:
    """As many open files as this user may have. The usual soft limit, 1,024, is for programs that use `select`."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

"""How many files and sockets a process may have open."""

import resource


class TooFewFiles(Exception):
    """The hard limit is below what a measurement needs; the text says what to do."""


def allow_open_files(count: int) -> None:
    """Raise this process's limit, which those that it starts inherit, to at least `count`. Raises TooFewFiles."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise TooFewFiles(f"this needs {count} open files, the hard limit is {hard}: raise it (ulimit -Hn) or ask for fewer clients")
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))

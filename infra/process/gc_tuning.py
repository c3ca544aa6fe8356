"""How often Python looks for unreachable cycles: in processes that make a thousand short-lived objects a millisecond, rarely."""

import gc

_YOUNG = 50_000
"""Objects more than were freed, after which the young are looked through; Python's own default is 700 (2,000 from 3.13 on)."""
_OLDER, _OLDEST = 20, 50


def collect_rarely() -> None:
    """Let the collector leave out what was made up to now, and look at the rest less often. To be called once, when all is imported.

    Messages hold no cycles: they are freed by counting references, and every look at them is in vain. With Python's defaults these
    looks took 40 to 50 % of decoding 5,000 commands (measured alone, not in a worker; docs/performance.md).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _OLDER, _OLDEST)

"""The fault kit: the real stack under load and faults, judged from the raw topics and tables by code that shares nothing with it.

`run` leads; `client`, `watcher` and `writer` use the stack, `hand` hurts it; `raw_*` read what is left, `check_*` judge it.
"""

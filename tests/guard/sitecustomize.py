"""Carries the write protection of the tests into every Python process that a test starts."""

import os
import sys

_host = os.environ.get("TACTICIAN_TESTS_GUARD")
if _host:
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    import proc_sys_guard

    sys.path.pop(0)
    proc_sys_guard.install(_host, always=True)

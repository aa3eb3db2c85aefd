"""Lists the fixtures: one file a concern. gevent has patched the process already (tests/patched.py)."""

pytest_plugins = [
    "tests.fix_database",
    "tests.fix_model",
    "tests.fix_proxy",
    "tests.fix_switch",
    "tests.fix_console",
    "tests.fix_log",
]

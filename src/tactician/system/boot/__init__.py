"""What a boot would set, computed from files alone: nothing here writes, and nothing is run.

``sysctl --system`` on a live host would answer the question too, and undo every runtime setting
that an administrator made since the boot.
"""

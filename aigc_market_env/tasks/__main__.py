"""Lists the tasks, and tells which have other test markets here than they were frozen with.

    python -m aigc_market_env.tasks

Where a preset is changed on purpose, before a release, what is shown belongs into ``aigc_market_env/tasks/table.py``.
"""

import sys

from aigc_market_env.tasks.judge import fingerprint
from aigc_market_env.tasks.table import TASKS

if __name__ == "__main__":
    changed = False
    for task in TASKS.values():
        found = fingerprint(task)
        as_frozen = found == task.fingerprint
        changed |= not as_frozen
        print(f"{task.name:16} {task.summary}")  # noqa: T201
        print(f"{'':16} {found} {'as frozen' if as_frozen else 'CHANGED'}", flush=True)  # noqa: T201
    sys.exit(int(changed))

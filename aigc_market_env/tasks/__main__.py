"""Lists the tasks, and tells which have other test markets here than they were frozen with.

    python -m aigc_market_env.tasks
    python -m aigc_market_env.tasks --mixtures   # finds the equilibria again that are kept in files; some minutes

Where a preset is changed on purpose, before a release, what is shown belongs into ``aigc_market_env/tasks/table.py``.
"""

import argparse
import sys

from aigc_market_env.equilibrium import solve_equilibrium
from aigc_market_env.tasks.judge import fingerprint
from aigc_market_env.tasks.judged_slots import slots_of
from aigc_market_env.tasks.mixtures import path_of, write_mixtures
from aigc_market_env.tasks.table import TASKS
from aigc_market_env.tasks.task import Task


def main() -> int:
    """List or find again; 1 if test markets are not those that were frozen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mixtures", action="store_true", help="find kept equilibria again, and write them")
    if parser.parse_args().mixtures:
        for task in TASKS.values():
            if task.kept_mixtures:
                keep(task)
        return 0
    as_frozen = [shown(task) for task in TASKS.values()]
    return int(not all(as_frozen))


def shown(task: Task) -> bool:
    """Show a task; whether its test markets are as frozen."""
    found = fingerprint(task)
    print(f"{task.name:16} {task.summary}")  # noqa: T201
    print(f"{'':16} {found} {'as frozen' if found == task.fingerprint else 'CHANGED'}", flush=True)  # noqa: T201
    return found == task.fingerprint


def keep(task: Task) -> None:
    """Find the equilibria of a task's test slots, and keep them."""
    (scenario,), (seeds,) = task.test_scenarios, task.test_seeds
    found = solve_equilibrium(slots_of(scenario, seeds, task.warm_up), mixed=True)
    write_mixtures(task, found)
    kinds = {str(kind): int((found.kind == kind).sum()) for kind in sorted(set(found.kind.tolist()))}
    print(f"{path_of(task)}: {kinds}")  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())

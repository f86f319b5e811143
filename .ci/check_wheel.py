"""Says what a virtual environment with the wheel alone holds, and runs the README's Python in it.

Run with that environment's Python, from outside of the repository: python .ci/check_wheel.py README.md
"""

import contextlib
import io
import re
import subprocess
import sys
from importlib.metadata import distribution, distributions
from pathlib import Path


def main(readme: Path) -> None:
    """Check it; an AssertionError says what is wrong."""
    ours = distribution("aigc-market-env")
    size = sum(len(file.read_binary()) for file in ours.files or () if file.suffix != ".pyc")
    installed = {found.metadata["Name"].lower() for found in distributions()} - {"pip", "setuptools", "aigc-market-env"}
    print(f"{ours.metadata['Name']} {ours.version}, {size / 1024:.0f} KiB, beside {', '.join(sorted(installed))}")
    for unwanted in ("torch", "stable-baselines3", "matplotlib"):
        assert unwanted not in installed, f"{unwanted} was installed with the wheel"

    first, again = (seconds_to_import() for _ in range(2))
    print(f"import aigc_market_env: {first:.2f} s, and again {again:.2f} s")

    blocks = re.findall(r"^```python\n(.*?)^```$", readme.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert blocks, "no Python in the README"
    for block in blocks:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(block, readme.name, "exec"), {"__name__": "readme"})
        print(*printed.getvalue().splitlines()[-1:])
    print(f"{len(blocks)} blocks of Python in {readme.name} ran")


def seconds_to_import() -> float:
    """What the import takes in a new process."""
    command = "import time; start = time.perf_counter(); import aigc_market_env; print(time.perf_counter() - start)"
    return float(subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

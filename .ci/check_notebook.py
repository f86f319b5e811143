"""Runs the notebook as on Colab: in an environment without the package, from a folder with the wheel.

Run with that environment's Python: python .ci/check_notebook.py docs/first-steps.ipynb
"""

import importlib.util
import json
import sys
from pathlib import Path


def main(notebook: Path) -> None:
    """Run it from its first cell, which installs what it needs; an error ends it."""
    assert not importlib.util.find_spec("aigc_market_env"), "the package is here already"
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    names = {"__name__": "notebook"}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), notebook.name, "exec"), names)
    print(f"{notebook.name} ran from {names['SOURCE']}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

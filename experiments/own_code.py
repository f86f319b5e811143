"""Code of a user's own that a command line names: an attribute of a file anywhere, or of a module.

What travels to workers is where it is, and not the object: a worker that has never seen the file imports it itself.
Importing executes the file.
"""

import hashlib
import importlib
import importlib.util
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

from aigc_market_env import Market, Scenario


@dataclass(frozen=True)
class NamedCode:
    """An attribute of a file.

    Attributes:
        text: as it was named.
        option: the option that named it.
        file: where it is.
        module: its name where it was named as a module; empty where it was named as a file.
        attribute: the name in it.
    """

    text: str
    option: str
    file: Path
    module: str
    attribute: str

    def imported(self) -> ModuleType:
        """The module that it is in, executed once in a process."""
        return _imported(self.file, self.module)

    def load(self) -> ModuleType:
        """Like :meth:`imported`.

        Raises:
            ValueError: it fails; the message says how.
        """
        try:
            return self.imported()
        except Exception as error:  # whatever the user's code raises
            why = f"{type(error).__name__}: {error}"
            raise ValueError(f"{self.option} {self.text}: importing {self.file} failed: {why}") from error


def named_code(text: str, option: str, what: str) -> NamedCode:
    """The code that an option names, such as ``"mine.py:ByAccuracy"``; nothing is executed.

    Args:
        text: what is named.
        option: that names it.
        what: what it should be, as a name for the part after the colon.

    Raises:
        ValueError: it is named otherwise, or there is no such file or module.
    """
    place, colon, attribute = text.rpartition(":")
    if not colon or not place or not attribute.isidentifier():
        raise ValueError(f"{option} {text} must be like FILE.py:{what} or module:{what}")
    is_file = place.endswith(".py") or "/" in place or "\\" in place
    if is_file and not Path(place).is_file():
        raise ValueError(f"{option} {text}: no such file: {place}")
    file = Path(place).resolve() if is_file else _file_of_module(text, option, place)
    return NamedCode(text, option, file, "" if is_file else place, attribute)


def own_scenario(text: str) -> Scenario:
    """The Scenario (or Market) that ``--scenario FILE.py:object`` or ``module:object`` names; its file is executed.

    Raises:
        ValueError: there is no such file, module or object, it fails on import, draws no market, or is something else.
    """
    named = named_code(text, "--scenario", "object")
    found = getattr(named.load(), named.attribute, None)
    scenarios = {name: value for name, value in vars(named.load()).items() if isinstance(value, Scenario | Market)}
    if named.attribute not in scenarios:
        what = "no such object" if found is None else f"a {type(found).__name__}"
        known = f"; there are {', '.join(scenarios)}" if scenarios else ", nor any other"
        raise ValueError(f"--scenario {text}: {what}, not a Scenario or Market{known} in {named.file}")
    scenario = Scenario.of(scenarios[named.attribute])
    try:
        scenario.sample(0)
    except Exception as error:  # whatever the user's code raises
        raise ValueError(f"--scenario {text}: drawing a market failed: {type(error).__name__}: {error}") from error
    return scenario


def _file_of_module(text: str, option: str, module: str) -> Path:
    _find_beside(Path.cwd())
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):  # a package above it is not there, or the name is none
        spec = None
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        raise ValueError(f"{option} {text}: no module {module} can be imported; name a file, such as mine.py:NAME")
    return Path(spec.origin).resolve()


@cache
def _imported(file: Path, module: str) -> ModuleType:
    """The module in a file, executed once in a process; modules beside it can be imported by it."""
    _find_beside(_import_root(file))
    if module:
        return importlib.import_module(module)
    name = f"own_{hashlib.sha256(str(file).encode()).hexdigest()[:8]}_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python file")
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[name] = loaded  # dataclasses look themselves up there
    try:
        spec.loader.exec_module(loaded)
    except BaseException:
        del sys.modules[name]
        raise
    return loaded


def _find_beside(folder: Path) -> None:
    """Have modules of a folder be found, after all others."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _import_root(file: Path) -> Path:
    """The folder from which a file's own imports are found: that of its outermost package."""
    folder = file.parent
    while (folder / "__init__.py").is_file():
        folder = folder.parent
    return folder

"""Drawing whatever backend the environment asks for.

A notebook tells what is started from it to draw with its own backend, which need not be installed there; matplotlib
would then not even be imported. Pictures need no backend, and a window has whichever there is.
"""

import os
from importlib.util import find_spec

_VARIABLE, _MODULE = "MPLBACKEND", "module://"


def without_missing_backend() -> None:
    """Take ``MPLBACKEND`` out of the environment, also for processes to come, if it names no backend that is there.

    Without the variable, or without matplotlib, nothing is done; so it costs nothing.
    """
    asked = os.environ.pop(_VARIABLE, None)
    if asked is not None and _is_there(asked):
        os.environ[_VARIABLE] = asked


def _is_there(backend: str) -> bool:
    try:
        if backend.startswith(_MODULE) and find_spec(backend.removeprefix(_MODULE)) is None:
            return False
        from matplotlib.rcsetup import validate_backend

        validate_backend(backend)
    except ModuleNotFoundError as error:  # without matplotlib, there is nobody to ask
        return error.name == "matplotlib"
    except ValueError:
        return False
    return True

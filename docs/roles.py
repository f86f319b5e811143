"""What docstrings refer to, as links: Sphinx roles (``:func:`name```) and sections of pages (docs/page.md#section)."""

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):`(~?)([\w.]+)`")
_SECTION = re.compile(r"docs/[\w-]+\.md#([\w-]+)")


class Roles(griffe.Extension):
    """Turns every role into a link, where the name that it gives is in the reference, and every section."""

    def on_package(self, *, pkg: griffe.Module, **kwargs: Any) -> None:
        """Go through the docstrings of a package that has been read."""
        _link(pkg)


def _link(thing: griffe.Object) -> None:
    if thing.docstring is not None:
        text = _ROLE.sub(lambda role: _reference(thing, *role.groups()), thing.docstring.value)
        thing.docstring.value = _SECTION.sub(_section, text)
    for member in thing.members.values():
        if isinstance(member, griffe.Object):
            _link(member)


def _reference(thing: griffe.Object, short: str, name: str) -> str:
    try:
        path = thing.resolve(name)
    except griffe.NameResolutionError:
        path = name
    text = name.rpartition(".")[2] if short else name
    return f'<autoref identifier="{path}" optional><code>{text}</code></autoref>'


def _section(section: re.Match[str]) -> str:
    """The heading itself, which MkDocs warns of where there is none."""
    return f'<autoref identifier="{section[1]}">{section[1].replace("-", " ").capitalize()}</autoref>'

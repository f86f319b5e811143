"""What is done to every page: formulas become MathML, and the notebook's links those of the site."""

import html
import re
from typing import Any

from math_core import LatexToMathML

#: What arithmatex makes of ``$…$`` and ``$$…$$``.
_FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)
#: Links between pages, which MkDocs has put right on all but those that come from a notebook.
_PAGE = re.compile(r'href="([\w-]+)\.md(?=[#"])')
_CONVERTER = LatexToMathML()


def on_page_content(content: str, **kwargs: Any) -> str:
    """Called by MkDocs with the HTML of every page.

    Browsers draw MathML as it is, without a script or a font from elsewhere.

    Raises:
        math_core.LatexError: a formula is not TeX.
    """
    return _PAGE.sub(r'href="../\1/', _FORMULA.sub(_mathml, content))


def _mathml(formula: re.Match[str]) -> str:
    tag, tex = formula.groups()
    mathml = _CONVERTER.convert_with_local_state(html.unescape(tex).strip(), displaystyle=tag == "div")
    return f'<{tag} class="arithmatex">{mathml}</{tag}>'

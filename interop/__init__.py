"""Short trainings in the libraries of others, each in a virtual environment of its own: ``make interop``.

Every ``with_….py`` is also the example of how to use that library; none needs more than what it imports.
"""

from aigc_market_env._name_clash import check_packages

check_packages("experiments", beside=__file__)

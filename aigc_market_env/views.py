"""What mobile users observe: their links alone, the price board as well, or the whole market.

``board`` is what environments show unless asked otherwise (:mod:`aigc_market_env.spaces`). ``links`` leaves out what
only the market tells: the ASPs' prices of the last slot and the QoE that was delivered. ``full`` adds the other MUs'
observations, and what the ASPs have and what it costs them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from gymnasium.spaces import Box

from aigc_market_env import spaces
from aigc_market_env.market import Market
from aigc_market_env.scenarios import Scenario

ViewName = Literal["links", "board", "full"]
Observations = npt.NDArray[np.float32]

#: Entries of a link that only the market tells.
_OF_THE_MARKET = ("log_compute_price", "log_bandwidth_price", "last_qoe")
#: What ``full`` tells of every ASP, entries ``log_…``.
_OF_ASPS = ("compute_capacity", "bandwidth_capacity", "compute_cost", "bandwidth_cost")


@dataclass(frozen=True)
class View:
    """One of :data:`VIEWS`.

    Attributes:
        names: of a scenario's MUs' entries, in order.
        of: from what environments show the MUs (B, M, D) of markets (B,) to what is seen (B, M, ·).
    """

    names: Callable[[Scenario], list[str]]
    of: Callable[[Observations, Market], Observations]

    def space(self, scenario: Scenario) -> Box:
        """Space of an MU's observation."""
        bound = spaces.OBSERVATION_BOUND
        return Box(-bound, bound, (len(self.names(scenario)),), np.float32)


def _board_names(scenario: Scenario) -> list[str]:
    return spaces.mu_observation_names(scenario.num_asps, **scenario.extra_entries)


def _links_names(scenario: Scenario) -> list[str]:
    return [name for name in _board_names(scenario) if not name.endswith(_OF_THE_MARKET)]


def _full_names(scenario: Scenario) -> list[str]:
    own = _board_names(scenario)
    others = [f"other_{i}/{name}" for i in range(scenario.num_mus - 1) for name in own[1:]]
    return own + others + [f"asp_{n}/log_{field}" for n in range(scenario.num_asps) for field in _OF_ASPS]


def _as_shown(observations: Observations, market: Market) -> Observations:
    return observations


def _without_market(observations: Observations, market: Market) -> Observations:
    end = spaces.MU_LINKS + market.num_asps * spaces.MU_LINK_SIZE
    hidden = [getattr(spaces.MU_LINK, name) for name in _OF_THE_MARKET]
    entries = np.arange(observations.shape[-1])
    in_link = (entries - spaces.MU_LINKS) % spaces.MU_LINK_SIZE
    told = (entries < spaces.MU_LINKS) | (entries >= end) | ~np.isin(in_link, hidden)
    return observations[..., told]


def _with_all(observations: Observations, market: Market) -> Observations:
    """Each MU's own, the others' in order but for ``turn``, which is the same, and the ASPs'."""
    lanes, num_mus, _ = observations.shape
    asps = np.stack([np.log(getattr(market, field) / spaces.REFERENCE[field]) for field in _OF_ASPS], axis=-1)
    asps = np.clip(asps, -spaces.OBSERVATION_BOUND, spaces.OBSERVATION_BOUND).astype(np.float32).reshape(lanes, 1, -1)
    others = np.array([[other for other in range(num_mus) if other != own] for own in range(num_mus)], np.int64)
    seen = observations[:, others.reshape(num_mus, -1), 1:].reshape(lanes, num_mus, -1)
    return np.concatenate([observations, seen, np.repeat(asps, num_mus, axis=1)], axis=-1)


VIEWS: dict[ViewName, View] = {
    "links": View(_links_names, _without_market),
    "board": View(_board_names, _as_shown),
    "full": View(_full_names, _with_all),
}


def check_view(value: object) -> ViewName:
    """``value`` if it is the name of a view, else a ValueError."""
    for name in get_args(ViewName):
        if value == name:
            return name
    raise ValueError(f"view = {value!r} must be one of {', '.join(VIEWS)}")

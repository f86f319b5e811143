"""Markets and wallets of episodes to come, made before they are asked for (private)."""

from aigc_market_env._engine.lanes import Lanes, Streams, load_market, load_wallet, market_of, new_lanes, some_of
from aigc_market_env._engine.wallet_draws import WalletDraws
from aigc_market_env._numerics.compile import over_markets
from aigc_market_env._numerics.owned import OwnsArrays
from aigc_market_env.market import Market
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.scenarios import Scenario
from aigc_market_env.scenarios.streams import skip, uniforms
from aigc_market_env.scenarios.traces.tables import SLOT

#: Markets that are built at once for a single lane: to build one takes nearly as long.
_AHEAD = 16


def check_satiation(scenario: Scenario, market: Market) -> None:
    """Make sure that MUs observe what satiation a scenario's market has.

    Raises:
        ValueError: it has some, and the scenario does not say so.
    """
    if not scenario.satiation and market.satiation.any():
        raise ValueError(f"scenario {scenario.name!r} has markets with satiation; it needs satiation=True to show it")


def check_slots(scenario: Scenario, market: Market) -> None:
    """Make sure that a slot of a scenario's market lasts as long as one of the trace that it follows.

    Raises:
        ValueError: it does not. What a trace tells of a slot, how many ask say, is not that of a shorter or longer one.
    """
    others = market.slot_duration[market.slot_duration != SLOT]
    if scenario.dynamics.trace is not None and others.size:
        raise ValueError(
            f"scenario {scenario.name!r} follows a trace in slots of {SLOT:g} s; its market needs slot_duration = "
            f"{SLOT:g}, got {others[0]:g}"
        )


class MarketPrefetch(OwnsArrays):
    """The markets to come of every lane, drawn from streams of their own.

    What happens in an episode draws from other streams, so the next markets are known before it is over.

    Args:
        scenario: where markets come from.
        streams: of the lanes (B,); advanced as markets are loaded, not as they are built.
    """

    def __init__(self, scenario: Scenario, streams: Streams) -> None:
        self.scenario = scenario
        self.streams = streams
        self._wallets = WalletDraws(scenario)
        self._draws = scenario.num_draws + self._wallets.num_draws
        self.forget()

    def forget(self) -> None:
        """Build anew, because the streams have been set; only the next market, in case they are again."""
        self._loaded = False
        self._ready: Lanes | None = None
        self._next = self._built = 0

    def load(self, lanes: Lanes) -> None:
        """Put the next market into every lane."""
        if self._loaded and not self._draws:
            return
        if len(self.streams) > 1:
            self._load_all(lanes, uniforms(self.streams, self._draws))
        else:
            self._load_one(lanes)
        self._loaded = True

    def _load_all(self, lanes: Lanes, drawn: FloatArray) -> None:
        """Put markets and wallets made from uniform numbers (B, K) into the lanes."""
        over_markets(self._load, len(drawn), lanes, drawn, min_slice=256, slices_per_thread=1)
        if self.scenario.wallet is not None:
            wallet = self._wallets.of(drawn[:, self.scenario.num_draws :], lambda: market_of(lanes, base=True))
            load_wallet(lanes, wallet)

    def _load(self, start: int, stop: int, lanes: Lanes, drawn: FloatArray) -> None:
        """Build markets from uniform numbers (B, K) and put them into their lanes."""
        market = self.scenario.build(drawn[start:stop, : self.scenario.num_draws])
        check_satiation(self.scenario, market)
        check_slots(self.scenario, market)
        load_market(some_of(lanes, start, stop), market)

    def _load_one(self, lanes: Lanes) -> None:
        if self._next == self._built:
            count = _AHEAD if self._loaded else 1
            drawn = uniforms(self.streams.copy(), count * self._draws).reshape(count, self._draws)
            if self._ready is None or self._built != count:
                self._ready = new_lanes(count, self.scenario.num_mus, self.scenario.num_asps)
            self._load_all(self._ready, drawn)
            self._next, self._built = 0, count
        assert self._ready is not None
        for own, ready in zip(lanes[:3], self._ready[:3], strict=True):
            own[0] = ready[self._next]
        self._next += 1
        skip(self.streams, self._draws)

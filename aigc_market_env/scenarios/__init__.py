"""Where markets come from: presets built on published figures, sampling, and the dynamics from slot to slot."""

from aigc_market_env.scenarios.dynamics import STATIC, Dynamics
from aigc_market_env.scenarios.presets import PRESETS
from aigc_market_env.scenarios.scenario import Scenario
from aigc_market_env.scenarios.traces.trace import Trace

__all__ = ["PRESETS", "STATIC", "Dynamics", "Scenario", "Trace"]

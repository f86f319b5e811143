"""TorchRL: MUs and ASPs as the two groups of a PettingZooWrapper, each trained by PPO with parameters shared within."""

import torch
from tensordict import TensorDict
from tensordict.nn import NormalParamExtractor, TensorDictModule
from torch import nn
from torchrl.envs import EnvBase, PettingZooWrapper
from torchrl.envs.utils import ExplorationType, set_exploration_type
from torchrl.modules import MultiAgentMLP, ProbabilisticActor, TanhNormal
from torchrl.objectives import ClipPPOLoss

from aigc_market_env import market_v0
from interop.common import SCENARIO, Arrays, FlatActions, clipped, report

_ITERATIONS, _FRAMES, _EPOCHS = 10, 512, 10
#: Followers learn faster: leaders that meet followers who do not respond to rewards learn to pay nothing.
_RATES = {"mu": 1e-4, "asp": 3e-3}


def _network(env: EnvBase, group: str, outputs: int) -> MultiAgentMLP:
    size = env.observation_spec[group, "observation"].shape[-1]
    agents = len(env.group_map[group])
    return MultiAgentMLP(size, outputs, agents, centralized=False, share_params=True, depth=2, num_cells=64)


def _actor(env: EnvBase, group: str) -> ProbabilisticActor:
    outputs = 2 * env.full_action_spec[group, "action"].shape[-1]
    network = nn.Sequential(_network(env, group, outputs), NormalParamExtractor())
    parameters = [(group, "loc"), (group, "scale")]
    return ProbabilisticActor(
        TensorDictModule(network, in_keys=[(group, "observation")], out_keys=parameters),
        in_keys=parameters,
        out_keys=[(group, "action")],
        distribution_class=TanhNormal,
        distribution_kwargs={"low": 0.0, "high": 1.0},
        return_log_prob=True,
        log_prob_key=(group, "log_prob"),
    )


def _loss(env: EnvBase, group: str, actor: ProbabilisticActor) -> ClipPPOLoss:
    values = [(group, "state_value")]
    critic = TensorDictModule(_network(env, group, 1), in_keys=[(group, "observation")], out_keys=values)
    loss = ClipPPOLoss(actor, critic, entropy_coeff=1e-3, normalize_advantage=True)
    names = {"value": "state_value", "sample_log_prob": "log_prob"}
    own = ("reward", "action", "done", "terminated", "advantage", "value_target")
    loss.set_keys(**{name: (group, names.get(name, name)) for name in (*own, *names)})
    loss.make_value_estimator(gamma=0.5, lmbda=0.9)  # MUs post in one step and are paid in the next
    return loss


def main() -> None:
    """Train and report."""
    torch.manual_seed(0)
    env = PettingZooWrapper(FlatActions(market_v0.parallel_env(SCENARIO)), return_state=True, seed=0)
    actors = {group: _actor(env, group) for group in env.group_map}
    losses = {group: _loss(env, group, actor) for group, actor in actors.items()}
    policy = nn.ModuleList(actors.values())

    def choose(given: TensorDict) -> TensorDict:
        for actor in policy:
            given = actor(given)
        return given

    def train() -> None:
        optimizers = {group: torch.optim.Adam(loss.parameters(), _RATES[group]) for group, loss in losses.items()}
        for _ in range(_ITERATIONS):
            with torch.no_grad():
                batch = env.rollout(_FRAMES, choose, break_when_any_done=False)
                for loss in losses.values():
                    networks = {
                        "params": loss.critic_network_params,
                        "target_params": loss.target_critic_network_params,
                    }
                    loss.value_estimator(batch, **networks)
            for group, loss in losses.items():
                for _ in range(_EPOCHS):
                    for part in batch[torch.randperm(_FRAMES)].split(256):
                        terms = loss(part)
                        total = terms["loss_objective"] + terms["loss_critic"] + terms["loss_entropy"]
                        optimizers[group].zero_grad()
                        total.backward()
                        nn.utils.clip_grad_norm_(loss.parameters(), 1.0)
                        optimizers[group].step()

    def act(observations: Arrays) -> Arrays:
        seen = {group: torch.as_tensor(values) for group, values in observations.items()}
        groups = {group: TensorDict({"observation": values}, values.shape[:2]) for group, values in seen.items()}
        with torch.no_grad(), set_exploration_type(ExplorationType.DETERMINISTIC):
            chosen = choose(TensorDict(groups, seen["mu"].shape[:1]))
        shapes = {"mu": (-1,), "asp": (2, len(env.group_map["mu"]))}
        return {
            group: clipped(chosen[group, "action"], (*values.shape[:2], *shapes[group]))
            for group, values in seen.items()
        }

    report(("torchrl", "tensordict"), f"PPO, MUs and ASPs, {_ITERATIONS * _FRAMES:,} steps", train, act, "agents")


if __name__ == "__main__":
    main()

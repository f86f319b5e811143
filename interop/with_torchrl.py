"""TorchRL: MUs and ASPs as the two groups of a PettingZooWrapper, each trained by PPO with parameters shared within.

ASPs learn first, from what untrained MUs post: leaders that meet followers who do not respond to rewards yet learn to
pay nothing. Then both learn, ASPs faster, at rates that fall to zero.
"""

import torch
from tensordict import TensorDict
from tensordict.nn import NormalParamExtractor, TensorDictModule
from torch import nn
from torchrl.envs import EnvBase, PettingZooWrapper
from torchrl.envs.utils import ExplorationType, set_exploration_type
from torchrl.modules import MultiAgentMLP, ProbabilisticActor, TanhNormal
from torchrl.objectives import ClipPPOLoss

from aigc_market_env import market_v0
from interop.common import SCENARIO, Arrays, LearnerActions, clipped, posted, report

#: Iterations of the ASPs alone and of both sides, steps of each, and how PPO goes through them.
_HEAD_START, _ROUNDS, _FRAMES, _EPOCHS, _MINIBATCH = 24, 32, 512, 10, 64
_RATES = {"mu": 2e-4, "asp": 2e-3}


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
    loss.make_value_estimator(gamma=0.0, lmbda=0.0)  # no action changes the next slot
    return loss


def _own_steps(batch: TensorDict) -> dict[str, TensorDict]:
    """The steps in which a group's actions count, with what they earned: MUs post in one step, are paid in the next."""
    posts, serves = batch[0::2].clone(), batch[1::2]
    posts["next", "mu", "reward"] = serves["next", "mu", "reward"]
    return {"mu": posts, "asp": serves}


def main(seed: int = 0) -> None:
    """Train and report."""
    torch.manual_seed(seed)
    env = PettingZooWrapper(LearnerActions(market_v0.parallel_env(SCENARIO)), seed=seed)
    actors = {group: _actor(env, group) for group in env.group_map}
    losses = {group: _loss(env, group, actor) for group, actor in actors.items()}
    policy = nn.ModuleList(actors.values())

    def choose(given: TensorDict) -> TensorDict:
        for actor in policy:
            given = actor(given)
        return given

    def learn(group: str, optimizer: torch.optim.Optimizer, steps: TensorDict) -> None:
        loss = losses[group]
        networks = {"params": loss.critic_network_params, "target_params": loss.target_critic_network_params}
        with torch.no_grad():
            loss.value_estimator(steps, **networks)
        for _ in range(_EPOCHS):
            for part in steps[torch.randperm(len(steps))].split(_MINIBATCH):
                terms = loss(part)
                optimizer.zero_grad()
                (terms["loss_objective"] + terms["loss_critic"] + terms["loss_entropy"]).backward()
                nn.utils.clip_grad_norm_(loss.parameters(), 1.0)
                optimizer.step()

    def train() -> None:
        optimizers = {group: torch.optim.Adam(loss.parameters(), _RATES[group]) for group, loss in losses.items()}
        for iteration in range(_HEAD_START + _ROUNDS):
            with torch.no_grad(), set_exploration_type(ExplorationType.RANDOM):  # without it, actors do their likeliest
                steps = _own_steps(env.rollout(_FRAMES, choose, break_when_any_done=False))
            for group in ("asp",) if iteration < _HEAD_START else ("asp", "mu"):
                remaining = min((_HEAD_START + _ROUNDS - iteration) / _ROUNDS, 1.0)
                optimizers[group].param_groups[0]["lr"] = _RATES[group] * remaining
                learn(group, optimizers[group], steps[group])

    def act(observations: Arrays) -> Arrays:
        seen = {group: torch.as_tensor(values) for group, values in observations.items()}
        groups = {group: TensorDict({"observation": values}, values.shape[:2]) for group, values in seen.items()}
        with torch.no_grad(), set_exploration_type(ExplorationType.DETERMINISTIC):
            chosen = choose(TensorDict(groups, seen["mu"].shape[:1]))
        asps = chosen["asp", "action"].unflatten(-1, (2, -1))
        return {"mu": posted(chosen["mu", "action"].double().numpy()), "asp": clipped(asps, asps.shape)}

    steps, of_mus = (_HEAD_START + _ROUNDS) * _FRAMES, _ROUNDS * _FRAMES
    ran = f"PPO, ASPs {steps:,} steps, MUs the last {of_mus:,}"
    report(("torchrl", "tensordict"), ran, train, act, "agents")


if __name__ == "__main__":
    main()

"""Independent PPO for both sides of one market: users and providers learn at once, each group with one network.

python examples/ippo_both_sides.py --seed 1; tensorboard --logdir runs
"""

import io
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
import tyro
from torch import nn
from torch.distributions import Normal
from torch.utils.tensorboard import SummaryWriter

import aigc_market_env as aigc
from aigc_market_env import spaces
from aigc_market_env.files import write_whole

LOWEST = 1e-3  # the least share of the bound ω/q, or of a capacity


@dataclass
class Args:
    """Options.

    Attributes:
        scenario: a preset; one market of it is played, whose links fade.
        seed: of the weights, the noise and the fading.
        total_timesteps: transitions of both sides, one for each agent in each slot.
        head_start: share of them in which providers learn alone: users that meet untrained ones learn to pay nothing.
        num_envs: markets side by side, also when measured; in every other one users' rewards are disturbed.
        num_steps: slots between updates.
        learning_rate: at the start; it falls to zero.
        out: folder for events and weights.
    """

    scenario: str = "campus"
    seed: int = 0
    total_timesteps: int = 4_000_000
    head_start: float = 0.4
    num_envs: int = 128
    num_steps: int = 8
    learning_rate: float = 1e-3
    out: Path = Path("runs/ippo_both_sides")


def mlp(inputs: int, outputs: int, gain: float) -> nn.Sequential:
    """A network of two hidden layers."""
    layers = nn.Linear(inputs, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, outputs)
    for layer in layers[::2]:
        nn.init.orthogonal_(layer.weight, gain if layer is layers[-1] else 2**0.5)
    return nn.Sequential(*layers)


def features(observations: np.ndarray, side: str) -> torch.Tensor:
    """What agents see, rewards posted to providers in log, too, and a one-hot vector of who they are. (B, A, ·)."""
    lanes, agents, _ = observations.shape
    if side == "asp":
        posted = observations[..., spaces.ASP_LINKS + spaces.ASP_LINK.reward :: spaces.ASP_LINK_SIZE]
        observations = np.concatenate([observations, 2.0 + np.log(np.maximum(posted, LOWEST))], axis=-1)
    identity = np.broadcast_to(np.eye(agents, dtype=np.float32), (lanes, agents, agents))
    return torch.from_numpy(np.concatenate([observations, identity], axis=-1))


def shares(outputs: np.ndarray) -> np.ndarray:
    """Shares of the bound ω/q, or of capacities, evenly in log: -1 is LOWEST, 1 is 1."""
    return LOWEST ** (0.5 * (1.0 - np.clip(outputs, -1.0, 1.0)))


class Learner:
    """PPO for all agents of a side."""

    def __init__(self, args: Args, side: str, inputs: int, outputs: int, first: float, last_log_std: float) -> None:
        self.args, self.side, self.last_log_std, self.remaining = args, side, last_log_std, 1.0
        self.actor, self.critic = mlp(inputs, outputs, 0.01), mlp(inputs, 1, 1.0)
        nn.init.constant_(self.actor[-1].bias, first)
        self.parameters = [*self.actor.parameters(), *self.critic.parameters()]
        self.optimizer = torch.optim.Adam(self.parameters, eps=1e-5)

    @torch.no_grad()
    def act(self, given: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What is seen, and outputs with noise."""
        return given, self.noisy(given).sample()

    def noisy(self, given: torch.Tensor) -> Normal:
        """The distribution of outputs; its width is on a schedule, what is best amid wide noise is something else."""
        return Normal(self.actor(given), float(np.exp(self.last_log_std - (2.0 + self.last_log_std) * self.remaining)))

    def learn(self, transitions: list[tuple[torch.Tensor, ...]]) -> dict[str, float]:
        """Update once. Nothing that is done changes the next slot: an advantage is a payoff less the expected one."""
        inputs, outputs, returns = (torch.cat(parts).flatten(0, 1) for parts in zip(*transitions, strict=True))
        with torch.no_grad():
            old_log_probs = self.noisy(inputs).log_prob(outputs).sum(-1)
            advantages = returns - self.critic(inputs).squeeze(-1)
        self.optimizer.param_groups[0]["lr"] = self.args.learning_rate * self.remaining
        for _ in range(4):
            for batch in torch.randperm(len(returns)).split(512):
                ratio = (self.noisy(inputs[batch]).log_prob(outputs[batch]).sum(-1) - old_log_probs[batch]).exp()
                advantage = (advantages[batch] - advantages[batch].mean()) / (advantages[batch].std() + 1e-8)
                policy_loss = -torch.min(advantage * ratio, advantage * ratio.clamp(0.8, 1.2)).mean()
                value_loss = (self.critic(inputs[batch]).squeeze(-1) - returns[batch]).square().mean()
                self.optimizer.zero_grad()
                (policy_loss + 0.5 * value_loss).backward()
                nn.utils.clip_grad_norm_(self.parameters, 0.5)
                self.optimizer.step()
        return {"policy_loss": policy_loss.item(), "value_loss": value_loss.item()}


def train(args: Args) -> dict[str, float]:
    """Train, measure, and save; the final figures."""
    torch.set_num_threads(1)  # the networks are small, threads would wait for one another
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    scenario = aigc.Scenario.preset(args.scenario).fix(seed=0)
    env = aigc.BatchedMarketEnv(scenario, args.num_envs, seed=args.seed, max_cycles=128)  # 64 slots
    users, providers = env.num_mus, env.num_asps
    sizes = {group: space.shape[0] for group, space in env.single_observation_space.items()}
    mus = Learner(args, "mu", sizes["mu"] + users, providers, first=0.5, last_log_std=-3.9)
    asps = Learner(args, "asp", sizes["asp"] + users + providers, 2 * users, first=0.3, last_log_std=-3.5)
    writer = SummaryWriter(str(args.out))
    writer.add_text("args", "\n".join(f"    {name}: {value}" for name, value in asdict(args).items()))
    updates = max(round(args.total_timesteps / (args.num_steps * args.num_envs * (users + providers))), 1)
    observations, start, step, episode = env.reset()[0], time.perf_counter(), 0, {"mu": 0.0, "asp": 0.0}
    worth = env.base_market.satisfaction_scale
    drawn = (np.arange(args.num_envs) % 2 == 0)[:, None, None]  # where rewards are drawn around those of the users
    units = {"mu": worth, "asp": worth.sum(axis=1, keepdims=True) / providers}
    for update in range(updates):
        both = max((updates - update) / updates / (1.0 - args.head_start), 0.0)
        mus.remaining, asps.remaining = min(both, 1.0), 1.0 - update / updates
        learned = {"mu": [], "asp": []}
        for _ in range(args.num_steps):
            # A slot is two steps: users post, then providers, who see the rewards, serve, and all are paid.
            seen, posted = mus.act(features(observations["mu"], "mu"))
            near = posted.numpy() + drawn * rng.normal(0.0, 0.3, posted.shape)
            outputs = rng.uniform(-1.0, 1.0, posted.shape) if both > 1.0 else near
            asp_seen, served = asps.act(features(env.step({"mu": shares(outputs)})[0]["asp"], "asp"))
            allocation = shares(served.numpy()).reshape(*served.shape[:2], 2, users)
            observations, payoffs, _, truncations, _ = env.step({"asp": allocation})
            paid, earned = (torch.from_numpy(payoffs[side] / units[side]).float() for side in ("mu", "asp"))
            learned["mu"].append((seen[1::2], posted[1::2], paid[1::2]))
            learned["asp"].append((asp_seen, served, earned))
            episode = {side: total + payoffs[side].mean() for side, total in episode.items()}
            step += args.num_envs * (users + providers)
            if truncations.all():
                for side, total in episode.items():
                    writer.add_scalar(f"charts/episodic_return_{side}", total, step)
                episode = {"mu": 0.0, "asp": 0.0}
        for learner in (asps,) if both > 1.0 else (mus, asps):
            for name, value in learner.learn(learned[learner.side]).items():
                writer.add_scalar(f"losses/{name}_{learner.side}", value, step)
        writer.add_scalar("charts/SPS", step / (time.perf_counter() - start), step)
    final = {"seconds": time.perf_counter() - start, "transitions": step}
    torch.save({"mu": mus.actor.state_dict(), "asp": asps.actor.state_dict()}, weights := io.BytesIO())
    write_whole(args.out / "actors.pt", weights.getvalue())
    final |= evaluate(policy(args.out / "actors.pt"), scenario, args.num_envs)
    for name, value in final.items():
        writer.add_scalar(f"eval/{name}", value, step)
    writer.close()
    return final


def evaluate(acts: dict[str, Callable], scenario: aigc.Scenario, slots: int) -> dict[str, float]:
    """Both sides' regret in slots not trained on, relative to utility at equilibrium and to providers' best profit."""
    env = aigc.BatchedMarketEnv(scenario, slots, seed=10**9)
    observations, _ = env.reset()
    for _ in range(17):  # eight slots and a half, until price boards are those of a running market
        market = env.market
        observations, *_ = env.step({env.acting: acts[env.acting](observations[env.acting])})
    observations, *_ = env.step({"asp": acts["asp"](observations["asp"])})
    slot = env.served
    utility = aigc.solve_equilibrium(market, certify=False).outcome.mu_utility
    mus = aigc.relative_regret(aigc.leader_regret(market, slot.rewards), utility)  # if providers respond exactly
    response = aigc.follower_response(market, slot.rewards)
    best = market.outcome(slot.rewards, response.compute, response.bandwidth).asp_profit
    asps = aigc.relative_regret(np.maximum(best - slot.asp_profit, 0.0), best)
    return {"relative_regret_mu": float(mus.mean), "relative_regret_asp": float(asps.mean)}


def policy(path: Path | str) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """What was learned, by side: from observations (B, A, D) to actions (B, M, N) or (B, N, 2, M), without noise."""
    actors = {}
    for side, weights in torch.load(path, weights_only=True).items():
        actors[side] = mlp(weights["0.weight"].shape[1], len(weights["4.bias"]), 1.0)
        actors[side].load_state_dict(weights)

    @torch.no_grad()
    def act(observations: np.ndarray, side: str) -> np.ndarray:
        chosen = shares(actors[side](features(observations, side)).double().numpy())
        return chosen.reshape(*chosen.shape[:2], 2, -1) if side == "asp" else chosen

    return {side: partial(act, side=side) for side in actors}


if __name__ == "__main__":
    print(train(tyro.cli(Args)))

"""MAPPO for the mobile users: a PettingZoo loop, own observations for the actor, the whole market for the critic.

python examples/mappo.py --seed 1; tensorboard --logdir runs
"""

import io
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import tyro
from pettingzoo import ParallelEnv
from torch import nn
from torch.distributions import Normal
from torch.utils.tensorboard import SummaryWriter

from aigc_market_env import (
    BatchedMarketEnv,
    Scenario,
    leader_regret,
    market_v0,
    relative_regret,
    solve_equilibrium,
    wrappers,
)
from aigc_market_env.files import write_whole

LOWEST = 1e-3  # the least reward posted, as a share of the bound: nobody serves for it


@dataclass
class Args:
    """Options.

    Attributes:
        scenario: a preset; one market of it is played, whose links fade.
        market_seed: which one.
        seed: of the weights, the noise and the fading.
        total_timesteps: transitions, one for each user in each slot.
        num_envs: environments that are played in turn.
        num_steps: slots between updates.
        minibatch_size: transitions in a gradient step.
        update_epochs: passes over a rollout.
        learning_rate: at the start; it falls to zero.
        first_log_std: exploration at the start, in outputs that span [-1, 1].
        last_log_std: at the end. It is on a schedule, not learned: what is best amid wide noise is another reward.
        eval_slots: held-out slots in which regret is measured at the end.
        out: folder for events and weights.
    """

    scenario: str = "campus"
    market_seed: int = 0
    seed: int = 0
    total_timesteps: int = 300_000
    num_envs: int = 16
    num_steps: int = 32
    minibatch_size: int = 512
    update_epochs: int = 4
    learning_rate: float = 1e-3
    first_log_std: float = -2.0
    last_log_std: float = -3.9
    eval_slots: int = 256
    out: Path = Path("runs/mappo")


def mlp(inputs: int, outputs: int, gain: float) -> nn.Sequential:
    """A network of two hidden layers."""
    layers = nn.Linear(inputs, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, outputs)
    for layer in layers[::2]:
        nn.init.orthogonal_(layer.weight, gain if layer is layers[-1] else 2**0.5)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)


def make(scenario: Scenario) -> ParallelEnv:
    """An environment whose observations end with who it is, with actions in log and payoffs in units of ω."""
    env = market_v0.parallel_env(scenario, asps="best_response")
    return wrappers.relative_payoffs(wrappers.agent_identity(wrappers.log_actions(env, LOWEST)))


def train(args: Args) -> dict[str, float]:
    """Train, measure, and save; the final figures."""
    torch.set_num_threads(1)  # the networks are small, threads would wait for one another
    torch.manual_seed(args.seed)
    scenario = Scenario.preset(args.scenario).fix(args.market_seed)
    envs = [make(scenario) for _ in range(args.num_envs)]
    users = envs[0].possible_agents
    entries, outputs = envs[0].observation_space("mu_0").shape[0], envs[0].action_space("mu_0").shape[0]
    # The critic tells what each user will be paid from what all of them and all providers see: env.state().
    actor, critic = mlp(entries, outputs, 0.01), mlp(envs[0].state_space.shape[0], len(users), 1.0)
    nn.init.constant_(
        actor[-1].bias, 0.5
    )  # 0.18 of the bound, above entry thresholds: who is not served learns nothing
    parameters = [*actor.parameters(), *critic.parameters()]
    optimizer = torch.optim.Adam(parameters, args.learning_rate, eps=1e-5)
    writer = SummaryWriter(str(args.out))
    writer.add_text("args", "\n".join(f"    {name}: {value}" for name, value in asdict(args).items()))

    slots = args.num_steps * args.num_envs
    updates = max(round(args.total_timesteps / (slots * len(users))), 1)
    observations = [env.reset(seed=args.seed + lane)[0] for lane, env in enumerate(envs)]
    returns, start, step = np.zeros(args.num_envs), time.perf_counter(), 0
    for update in range(updates):
        remaining = 1.0 - update / updates
        optimizer.param_groups[0]["lr"] = args.learning_rate * remaining
        log_std = torch.tensor(args.last_log_std + (args.first_log_std - args.last_log_std) * remaining)
        seen, done, states, paid = [], [], [], []
        for _ in range(args.num_steps):
            states.append(torch.from_numpy(np.stack([env.state() for env in envs])))
            seen.append(torch.from_numpy(np.stack([[own[user] for user in users] for own in observations])))
            with torch.no_grad():
                done.append(Normal(actor(seen[-1]), log_std.exp()).sample())
            paid.append(torch.zeros(args.num_envs, len(users)))
            for lane, (env, chosen) in enumerate(zip(envs, done[-1].numpy(), strict=True)):
                observations[lane], payoffs, _, _, _ = env.step(dict(zip(users, chosen, strict=True)))
                paid[-1][lane] = torch.tensor([payoffs[user] for user in users])
                returns[lane] += sum(payoffs.values()) / len(users)
                ended = not env.agents  # all lanes together
                if ended:
                    observations[lane] = env.reset()[0]
            step += args.num_envs * len(users)
            if ended:
                writer.add_scalar("charts/episodic_return", returns.mean(), step)
                returns[:] = 0.0

        # Nothing that a user does changes the next slot (gamma = 0): an advantage is a payoff less what was expected.
        inputs, outputs, given, wanted = (torch.cat(parts) for parts in (seen, done, states, paid))
        with torch.no_grad():
            old_log_probs = Normal(actor(inputs), log_std.exp()).log_prob(outputs).sum(-1)
            advantages = wanted - critic(given)
        for _ in range(args.update_epochs):
            for batch in torch.randperm(slots).split(max(args.minibatch_size // len(users), 1)):
                log_probs = Normal(actor(inputs[batch]), log_std.exp()).log_prob(outputs[batch]).sum(-1)
                log_ratio = log_probs - old_log_probs[batch]
                ratio, advantage = log_ratio.exp(), advantages[batch]
                advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
                policy_loss = -torch.min(advantage * ratio, advantage * ratio.clamp(0.8, 1.2)).mean()
                value_loss = (critic(given[batch]) - wanted[batch]).square().mean()
                optimizer.zero_grad()
                (policy_loss + 0.5 * value_loss).backward()
                nn.utils.clip_grad_norm_(parameters, 0.5)
                optimizer.step()
        writer.add_scalar("charts/learning_rate", optimizer.param_groups[0]["lr"], step)
        writer.add_scalar("charts/SPS", step / (time.perf_counter() - start), step)
        writer.add_scalar("losses/policy_loss", policy_loss.item(), step)
        writer.add_scalar("losses/value_loss", value_loss.item(), step)
        writer.add_scalar("losses/approx_kl", (ratio - 1.0 - log_ratio).mean().item(), step)
        writer.add_scalar("losses/explained_variance", 1.0 - (advantages.var() / wanted.var()).item(), step)
    seconds = time.perf_counter() - start
    torch.save(actor.state_dict(), weights := io.BytesIO())
    write_whole(args.out / "actor.pt", weights.getvalue())
    figures = evaluate(policy(args.out / "actor.pt")["mu"], scenario, args.eval_slots)
    for name, value in figures.items():
        writer.add_scalar(f"eval/{name}", value, step)
    writer.close()
    return figures | {"seconds": seconds, "transitions": step}


def evaluate(act: Callable[[np.ndarray], np.ndarray], scenario: Scenario, slots: int) -> dict[str, float]:
    """Regret in slots not trained on, one from each of as many episodes, relative to utility at the equilibrium."""
    env = BatchedMarketEnv(scenario, slots, asps="best_response", seed=10**9)
    observations, _ = env.reset()
    for _ in range(8):  # until price boards are those of a running market
        observations, *_ = env.step({"mu": act(observations["mu"])})
    market = env.market
    regret = leader_regret(market, act(observations["mu"]) * market.reward_bound[..., None])
    relative = relative_regret(regret, solve_equilibrium(market, certify=False).outcome.mu_utility)
    return {"relative_regret": float(relative.mean), "relative_regret_worst": float(relative.worst)}


def policy(path: Path | str) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """What was learned, from observations (B, M, D) to actions (B, M, N), without noise."""
    weights = torch.load(path, weights_only=True)
    actor = mlp(weights["0.weight"].shape[1], len(weights["4.bias"]), 1.0)
    actor.load_state_dict(weights)

    @torch.no_grad()
    def act(observations: np.ndarray) -> np.ndarray:
        lanes, users, _ = observations.shape
        identity = np.broadcast_to(np.eye(users, dtype=np.float32), (lanes, users, users))
        outputs = actor(torch.from_numpy(np.concatenate([observations, identity], axis=-1))).double().numpy()
        return LOWEST ** (0.5 * (1.0 - np.clip(outputs, -1.0, 1.0)))

    return {"mu": act}


if __name__ == "__main__":
    print(train(tyro.cli(Args)))

"""SAC for one mobile user among others at equilibrium, on Gymnasium's vector environment: learning a best response.

python examples/sac_leader.py --mu 3; tensorboard --logdir runs
"""

import io
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import gymnasium
import numpy as np
import torch
import tyro
from torch import nn
from torch.distributions import Normal
from torch.utils.tensorboard import SummaryWriter

from aigc_market_env import Scenario, leader_regret, relative_regret, solve_equilibrium
from aigc_market_env.files import write_whole

LOWEST = 1e-3  # the least reward posted, as a share of the bound: nobody serves for it


@dataclass
class Args:
    """Options.

    Attributes:
        scenario: a preset; one market of it is played, whose links fade.
        market_seed: which one.
        mu: the user that learns.
        seed: of the weights, the noise and the fading.
        total_timesteps: transitions, which are slots.
        num_envs: markets side by side.
        buffer_size: transitions that are kept.
        learning_starts: transitions played at random first.
        batch_size: transitions in a gradient step, of which there is one for every step of the environments.
        learning_rate: of all networks; it falls to zero.
        gamma: discount; nothing that a user does changes the next slot, unless it has a wallet.
        target_entropy: per output, in nats, that the weight of entropy is tuned to.
        eval_slots: held-out slots in which regret is measured at the end.
        out: folder for events and weights.
    """

    scenario: str = "campus"
    market_seed: int = 0
    mu: int = 0
    seed: int = 0
    total_timesteps: int = 60_000
    num_envs: int = 16
    buffer_size: int = 50_000
    learning_starts: int = 2_000
    batch_size: int = 256
    learning_rate: float = 1e-3
    gamma: float = 0.0
    target_entropy: float = -3.0
    eval_slots: int = 256
    out: Path = Path("runs/sac_leader")


def mlp(inputs: int, outputs: int) -> nn.Sequential:
    """A network of two hidden layers."""
    return nn.Sequential(nn.Linear(inputs, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, outputs))


def shares(outputs: np.ndarray) -> np.ndarray:
    """Rewards as shares of the bound ω/q, evenly in log: -1 is LOWEST, 1 is the bound."""
    return LOWEST ** (0.5 * (1.0 - outputs))


def sample(actor: nn.Module, observations: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Outputs in [-1, 1] drawn by the actor, and their log probabilities."""
    mean, log_std = actor(observations).chunk(2, dim=-1)
    normal = Normal(mean, (3.0 * torch.tanh(log_std) - 3.0).exp())
    drawn = normal.rsample()
    outputs = torch.tanh(drawn)
    return outputs, (normal.log_prob(drawn) - torch.log(1.0 - outputs.square() + 1e-6)).sum(-1)


def train(args: Args) -> dict[str, float]:
    """Train, measure, and save; the final figures. Importing the package has registered the environments."""
    torch.set_num_threads(1)  # the networks are small, threads would wait for one another
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    scenario = Scenario.preset(args.scenario).fix(args.market_seed)
    envs = gymnasium.make_vec("aigc_market_env/Leader-v0", args.num_envs, scenario=scenario, mu=args.mu)
    entries, links = envs.single_observation_space.shape[0], envs.single_action_space.shape[0]
    actor = mlp(entries, 2 * links)
    critics, targets = ([mlp(entries + links, 1) for _ in range(2)] for _ in range(2))
    for critic, target in zip(critics, targets, strict=True):
        target.load_state_dict(critic.state_dict())
    log_alpha = torch.tensor(np.log(0.02), requires_grad=True, dtype=torch.float32)
    actor_optimizer = torch.optim.Adam(actor.parameters(), args.learning_rate)
    critic_optimizer = torch.optim.Adam([p for critic in critics for p in critic.parameters()], args.learning_rate)
    alpha_optimizer = torch.optim.Adam([log_alpha], args.learning_rate)
    writer = SummaryWriter(str(args.out))
    writer.add_text("args", "\n".join(f"    {name}: {value}" for name, value in asdict(args).items()))

    rows = args.buffer_size // args.num_envs * args.num_envs
    kept = {name: torch.zeros(rows, size) for name, size in (("seen", entries), ("done", links), ("next", entries))}
    kept["paid"] = torch.zeros(rows)
    observations, _ = envs.reset(seed=args.seed)
    worth = envs.unwrapped.market.satisfaction_scale[:, args.mu]  # ω: payoffs in units of it are of order one
    start, episode = time.perf_counter(), 0.0
    updates = args.total_timesteps // args.num_envs
    for update in range(updates):
        step = update * args.num_envs
        with torch.no_grad():
            outputs, _ = sample(actor, torch.from_numpy(observations))
        if step < args.learning_starts:
            outputs = torch.rand_like(outputs) * 2.0 - 1.0
        following, payoffs, _, truncations, infos = envs.step(shares(outputs.numpy()))
        last = following.copy()  # episodes are cut off, not over: what comes next is what would have been seen
        if truncations.any():
            last[truncations] = np.stack(infos["final_obs"][truncations])
        at = slice(step % rows, step % rows + args.num_envs)
        kept["seen"][at], kept["next"][at] = torch.from_numpy(observations), torch.from_numpy(last)
        kept["done"][at], kept["paid"][at] = outputs, torch.from_numpy(payoffs / worth).float()
        observations, episode = following, episode + payoffs.mean()
        if truncations.all():
            writer.add_scalar("charts/episodic_return", episode, step)
            episode = 0.0
        if step < args.learning_starts:
            continue

        remaining = 1.0 - update / updates
        for optimizer in (actor_optimizer, critic_optimizer, alpha_optimizer):
            optimizer.param_groups[0]["lr"] = args.learning_rate * remaining
        batch = torch.from_numpy(rng.integers(0, min(step + args.num_envs, rows), args.batch_size))
        seen, done, paid, following_seen = (kept[name][batch] for name in ("seen", "done", "paid", "next"))
        alpha = log_alpha.exp().detach()
        with torch.no_grad():
            chosen, log_probs = sample(actor, following_seen)
            later = torch.stack([target(torch.cat([following_seen, chosen], -1)) for target in targets]).min(0).values
            wanted = paid + args.gamma * (later.squeeze(-1) - alpha * log_probs)
        values = [critic(torch.cat([seen, done], -1)).squeeze(-1) for critic in critics]
        critic_loss = sum((value - wanted).square().mean() for value in values)
        critic_optimizer.zero_grad()
        critic_loss.backward()
        critic_optimizer.step()

        chosen, log_probs = sample(actor, seen)
        value = torch.stack([critic(torch.cat([seen, chosen], -1)) for critic in critics]).min(0).values.squeeze(-1)
        actor_loss = (alpha * log_probs - value).mean()
        actor_optimizer.zero_grad()
        actor_loss.backward()
        actor_optimizer.step()
        alpha_loss = -(log_alpha.exp() * (log_probs.detach() + args.target_entropy * links).mean())
        alpha_optimizer.zero_grad()
        alpha_loss.backward()
        alpha_optimizer.step()
        with torch.no_grad():
            for critic, target in zip(critics, targets, strict=True):
                for own, slow in zip(critic.parameters(), target.parameters(), strict=True):
                    slow.lerp_(own, 0.005)
        if update % 50 == 0:
            writer.add_scalar("losses/qf_loss", critic_loss.item(), step)
            writer.add_scalar("losses/actor_loss", actor_loss.item(), step)
            writer.add_scalar("losses/alpha", alpha.item(), step)
            writer.add_scalar("charts/SPS", (step + args.num_envs) / (time.perf_counter() - start), step)
    seconds = time.perf_counter() - start
    torch.save(actor.state_dict(), weights := io.BytesIO())
    write_whole(args.out / "actor.pt", weights.getvalue())
    figures = evaluate(policy(args.out / "actor.pt"), args, scenario)
    for name, value in figures.items():
        writer.add_scalar(f"eval/{name}", value, updates * args.num_envs)
    writer.close()
    return figures | {"seconds": seconds, "transitions": updates * args.num_envs}


def evaluate(act: Callable[[np.ndarray], np.ndarray], args: Args, scenario: Scenario) -> dict[str, float]:
    """The user's regret in slots not trained on, one from each of as many episodes, relative to its utility."""
    envs = gymnasium.make_vec("aigc_market_env/Leader-v0", args.eval_slots, scenario=scenario, mu=args.mu)
    observations, _ = envs.reset(seed=10**9)
    for _ in range(8):  # until price boards are those of a running market
        observations, *_ = envs.step(act(observations))
    market, rewards = envs.unwrapped.market, envs.unwrapped.equilibrium_rewards
    rewards[:, args.mu] = act(observations) * market.reward_bound[:, args.mu, None]
    regret, utility = leader_regret(market, rewards), solve_equilibrium(market, certify=False).outcome.mu_utility
    return {"relative_regret": float(relative_regret(regret[:, [args.mu]], utility[:, [args.mu]]).mean)}


def policy(path: Path | str) -> Callable[[np.ndarray], np.ndarray]:
    """What was learned, from observations (B, D) to actions (B, N), without noise."""
    weights = torch.load(path, weights_only=True)
    actor = mlp(weights["0.weight"].shape[1], len(weights["4.bias"]))
    actor.load_state_dict(weights)

    @torch.no_grad()
    def act(observations: np.ndarray) -> np.ndarray:
        mean, _ = actor(torch.from_numpy(observations)).chunk(2, dim=-1)
        return shares(torch.tanh(mean).double().numpy())

    return act


if __name__ == "__main__":
    print(train(tyro.cli(Args)))

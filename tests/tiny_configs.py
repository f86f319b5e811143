"""The configuration of a run that takes a fraction of a second."""

from agents.training.one_side import LeaderConfig

TINY = LeaderConfig(
    scenario="duo",
    transitions=320,
    markets=8,
    slots=4,
    batch_size=32,
    epochs=1,
    hidden=(8,),
    evaluate_every=200,
    evaluation_slots=4,
    final_evaluation_slots=8,
    checkpoint_seconds=1e-9,
)

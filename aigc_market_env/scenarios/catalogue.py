"""Published figures that the scenarios are built from, each row with its source.

Accuracies, sizes, rates and prices are read from the sources named; what a comment marks as a choice is this project's.
Text alone hardly loads the radio: at 4 bit/s/Hz a user who reads a streamed answer at 50 tokens/s needs 0.024 MHz. The
scenarios therefore let a share of the content be multimodal, at 1-10 kB a token.
"""

from typing import NamedTuple


class Model(NamedTuple):
    """A language model as an ASP deploys it."""

    name: str
    parameters: float  # billions; a token costs 2 FLOP per parameter (Kaplan et al. 2020, arXiv 2001.08361)
    accuracy: tuple[float, float, float, float]  # in the order of TASKS, share of 1
    reasoning_tokens: float  # tokens at which accuracy is half reached; a choice, see below


#: MMLU-redux, MATH, HumanEval and IFEval (strict prompt): knowledge, mathematics, code, instructions.
TASKS = ("knowledge", "mathematics", "code", "instructions")

# Scores of the instruction-tuned models, all from one laboratory's harness so that rows compare: Qwen team,
# "Qwen2.5-LLM", qwenlm.github.io, blog qwen2.5-llm, tables of instruct models. Parameters: the same page; 8 is Llama's
# nominal size. Reasoning tokens are a choice: on GSM8K, accuracy rises steeply from 128 to 256 tokens and a 7B model is
# done at 512, a 0.5B one not before 1,024 ("When More Tokens Hurt", OpenReview RoTJh22LGx); larger models need fewer.
QWEN_1_5B = Model("Qwen2.5-1.5B-Instruct", 1.54, (0.507, 0.552, 0.616, 0.425), 250)
QWEN_7B = Model("Qwen2.5-7B-Instruct", 7.61, (0.754, 0.755, 0.848, 0.712), 180)
LLAMA_8B = Model("Llama-3.1-8B-Instruct", 8.0, (0.672, 0.519, 0.726, 0.759), 180)
QWEN_14B = Model("Qwen2.5-14B-Instruct", 14.7, (0.800, 0.800, 0.835, 0.810), 150)
QWEN_32B = Model("Qwen2.5-32B-Instruct", 32.5, (0.839, 0.831, 0.884, 0.795), 130)


class Accelerator(NamedTuple):
    """A GPU of an edge server."""

    name: str
    peak: float  # dense FP16/BF16 TFLOP/s
    hourly_price: float  # USD per hour, active serverless worker


# Peaks: NVIDIA data sheets, for the A100 and L40S as collected in stas00/ml-engineering, compute/accelerator/README.md.
# Prices: RunPod serverless, docs.runpod.io/serverless/pricing, active workers, per-second rates times 3,600.
L4 = Accelerator("NVIDIA L4", 121.0, 0.468)
RTX_4090 = Accelerator("NVIDIA RTX 4090", 165.2, 0.756)
L40S = Accelerator("NVIDIA L40S", 362.0, 1.332)
A100 = Accelerator("NVIDIA A100 80GB", 312.0, 2.160)

#: Share of the peak that decoding reaches: 7-9 % at 64 concurrent sequences, 12-17 % at 256 (computed from the
#: ML.ENERGY leaderboard v3, ml-energy/leaderboard, vLLM on H100).
DECODE_UTILISATION = 0.10
#: Share of the peak that reading the prompt, which is compute-bound, reaches (a choice below the measured
#: matrix-multiply ceiling of 80-87 %, stas00/ml-engineering).
PREFILL_UTILISATION = 0.5
#: Tokens in a prompt: mean input of the Azure LLM inference trace 2023, conversation (Azure/AzurePublicDataset).
PROMPT_TOKENS = 1155.0

#: ln of the tokens in an answer: log-normal fit to the outputs of the same trace.
ANSWER_LOG_MEAN, ANSWER_LOG_DEVIATION = 5.02, 0.86
#: Quantiles, 0, 2.5, … 100 %, of the same outputs, which have two humps that a log-normal misses by 0.18
#: (Kolmogorov-Smirnov; these by 0.014).
ANSWER_QUANTILES = (
    7, 28, 41, 48, 54, 60, 67, 72, 77, 82, 85, 88, 91, 93, 96, 99, 103, 108, 113, 120, 129,
    139, 151, 162, 177, 195, 217, 373, 384, 391, 395, 396, 400, 406, 411, 416, 424, 430, 451, 522, 1000,
)  # fmt: skip

#: Bytes on the air per token of text streamed as server-sent events, one token a chunk (measured length of such a
#: chunk).
TEXT_BYTES_PER_TOKEN = 240.0
#: Bytes per token of multimodal content: a visual token of 28 x 28 pixels is about 100 bytes at 1 bit a pixel and 2,352
#: raw (QwenLM/Qwen2.5-VL, README); generated images of 8 kB appear in edge-AIGC code (Lizonghang/AGOD). The range is a
#: choice.
MULTIMODAL_BYTES_PER_TOKEN = (1e3, 1e4)

#: Spectrum, USD per MHz and second: from licence cost alone (C-band auction 107, spread over 15 years and 500 people a
#: cell) to the equivalent of retail data in the UK (Cable.co.uk 2023, at 4 bit/s/Hz).
BANDWIDTH_PRICE = (1e-6, 3.1e-4)

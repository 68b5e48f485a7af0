"""The assumptions of a plan: every figure that is not computed, counted or taken from a data sheet.
None of them was measured with kotune.

Figures marked FITTED are fitted to published measurements. benchmarks/published.yml has these
measurements, and further ones that test the fit. benchmarks/plan.py compares a plan with a real
GPU. Its measurements should replace the figures here."""

# Share of the GPU's 16-bit peak that training reaches. FITTED on Qwen-1.8B, LoRA, 2,048 and 8,192
# tokens.
TRAINING = 0.28
# Minimum seconds per layer and micro-batch with checkpointing. This is the time of Python code and
# kernel launches, which is the same on every GPU and for every batch. 4-bit weights need more
# kernels. FITTED on Qwen-1.8B, 256 tokens, LoRA and Q-LoRA.
TRAINED_LAYER, TRAINED_LAYER_4BIT = 5.2e-3, 7.3e-3
SCORING = 0.30  # share of the peak reached for log-likelihoods (forward passes only)
# Minimum seconds per layer of one forward pass, without an adapter and with an unmerged adapter.
# This is the time of transformers' and peft's Python code.
PASSED_LAYER = {"base": 0.8e-3, "tuned": 1.5e-3}
# TFLOPS of a CPU core in fp32: two AVX2 multiply-adds of 8 numbers a cycle, at 3 GHz. TRAINING and
# SCORING are the reached shares of this speed, too.
CORE = 0.1
BANDWIDTH = 0.70  # share of the data sheet's bandwidth reached in reading weights, keys and values
DOWNLOAD = 50e6  # bytes per second from the hub
# Seconds for data preparation, the parity proof, and the imports and first kernels of each stage.
START_UP = 180.0
# Tokens per character of Korean text, for the vocabularies of both models. Used if the tokenizer is
# not available.
TOKENS_PER_CHARACTER = 0.9
LABEL = 4  # trained tokens of an answer that is a label: the label's word and the end of the turn
TEMPLATE = 20  # tokens that the chat template adds to an example with one question
PACKED = 0.95  # share of a packed row that is filled with examples

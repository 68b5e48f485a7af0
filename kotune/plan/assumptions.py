"""What a plan assumes: every figure that is neither arithmetic, counted nor of a data sheet. kotune
has measured none of them.

Those marked FITTED follow from figures that others published: benchmarks/published.yml has them,
and those that they are only tested on. benchmarks/plan.py compares a plan with a GPU, where one is
at hand; what it measures then takes their place."""

# of the GPU's 16-bit peak that training reaches. FITTED on Qwen-1.8B, LoRA, 2,048 and 8,192 tokens
TRAINING = 0.28
# Seconds that Python and the launching of kernels take for a layer in a micro-batch with
# checkpointing, however small it is and however fast the GPU; over 4-bit weights more kernels are
# launched. FITTED on Qwen-1.8B, 256 tokens, LoRA and Q-LoRA.
TRAINED_LAYER, TRAINED_LAYER_4BIT = 5.2e-3, 7.3e-3
SCORING = 0.30  # of the peak, for log-likelihoods, which are forward passes alone
# The same of one forward pass, without an adapter and with one that is not merged: transformers'
# and peft's own Python code.
PASSED_LAYER = {"base": 0.8e-3, "tuned": 1.5e-3}
# TFLOPS of a CPU core in fp32: two AVX2 multiply-adds of 8 numbers at 3 GHz; TRAINING and SCORING
# of it are reached
CORE = 0.1
BANDWIDTH = 0.70  # of the data sheet's that reading weights, keys and values reaches
DOWNLOAD = 50e6  # bytes a second from the hub
# seconds for preparing data, the proof of parity, and the imports and first kernels of each stage
START_UP = 180.0
# Of Korean text, for either model's vocabulary, where its tokenizer is not at hand.
TOKENS_PER_CHARACTER = 0.9
# tokens that are trained of an example whose answer is a label: the word and the end of the turn
LABEL = 4
TEMPLATE = 20  # tokens that the chat template adds to an example with one question
PACKED = 0.95  # of a packed row that holds examples

"""The assumptions of a plan: every figure that is not computed, counted or taken from a data sheet.
None of them was measured with kotune.

Figures marked FITTED are fitted to published measurements. benchmarks/published.yml has these
measurements, and further ones that test the fit. benchmarks/plan.py measures on a real GPU. Once
it has been run, its measurements should replace the figures here."""

# Share of the GPU's peak TFLOPS that training reaches. FITTED to Qwen-1.8B with LoRA, 2,048 and
# 8,192 tokens.
TRAINING = 0.28
# Minimum seconds that training takes per layer and micro-batch with gradient checkpointing. Python
# code and kernel launches need this time on every GPU and for every batch size. 4-bit weights need
# more kernels. FITTED to Qwen-1.8B with LoRA and QLoRA, 256 tokens.
TRAINED_LAYER, TRAINED_LAYER_4BIT = 5.2e-3, 7.3e-3
SCORING = 0.30  # share of the peak TFLOPS that scoring reaches (forward passes only)
# Minimum seconds per layer of one forward pass: for the base model, and for the tuned model, whose
# adapter is not merged. transformers' and peft's Python code needs this time.
PASSED_LAYER = {"base": 0.8e-3, "tuned": 1.5e-3}
# Peak TFLOPS of a CPU core in fp32: two AVX2 multiply-adds of 8 numbers per cycle, at 3 GHz.
# TRAINING and SCORING are used as the reached shares on a CPU too.
CORE = 0.1
# Share of the memory bandwidth in the data sheet that reading weights, keys and values reaches.
BANDWIDTH = 0.70
DOWNLOAD = 50e6  # bytes per second from the hub
# Seconds for data preparation, the parity proof, and the imports and first kernels of each stage.
START_UP = 180.0
# Tokens per character of Korean text, for the tokenizers of Llama 3.2 and of
# DeepSeek-R1-Distill-Qwen. Used if the model's tokenizer is not available.
TOKENS_PER_CHARACTER = 0.9
LABEL = 4  # trained tokens of an answer that is a label: the label itself and the end of the turn
TEMPLATE = 20  # tokens that the chat template adds to an example with one question
PACKED = 0.95  # share of a packed row's tokens that belong to examples; the rest is padding

"""What a plan assumes and nobody has measured here: every figure that is neither arithmetic, counted nor of a data sheet.

benchmarks/plan.py compares a plan with a GPU, where one is at hand; these figures are then replaced by what it measures.
"""

TRAINING = 0.30  # of the GPU's 16-bit peak that training reaches
SCORING = 0.30  # the same for log-likelihoods, which are forward passes alone
GENERATION = 0.10  # of the memory bandwidth: between two tokens transformers' Python code keeps the GPU waiting
CORE = 0.1  # TFLOPS of a CPU core in fp32: two AVX2 multiply-adds of 8 numbers at 3 GHz; TRAINING and SCORING of it are reached
DOWNLOAD = 50e6  # bytes a second from the hub
START_UP = 180.0  # seconds for preparing data, the proof of parity, and the imports and first kernels of each stage
TOKENS_PER_CHARACTER = 0.9  # of Korean text, for either model's vocabulary, where its tokenizer is not at hand
TEMPLATE = 20  # tokens that the chat template adds to an example with one question
PACKED = 0.95  # of a packed row that holds examples

"""What a recipe takes before it is paid for: tokens, steps, memory, time and cost on each GPU.
Memory and time are predictions."""

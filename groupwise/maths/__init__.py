"""What group-relative methods compute with, as pure functions over tensors: torch and the standard library alone.

In reading order: `groups` (the responses to one prompt, and their kinds), `advantage` (GRPO's, where every method
starts) and `perplexity`. `checks` and `blocks` are what they share.

Legend for the shapes in trailing comments: B responses, T response tokens, G groups. All tensors are on the CPU.
"""

"""DiPO (arXiv 2604.13902) as pure functions over tensors: torch and the standard library, no config object, no verl.

In reading order: `perplexity` (what is measured, and the queue of recent steps), `threshold` (perplexity space
disentangling), `reallocation` (bidirectional reward reallocation), `step_statistics` (what a step logs), `advantage`.
`checks` and `groups` are what they share.

Legend for the shapes in trailing comments: B responses, T response tokens, N queue entries, G groups (the responses
to one prompt are a group). All tensors are on the CPU.
"""

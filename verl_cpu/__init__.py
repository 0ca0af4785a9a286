"""Lets an unmodified verl run on a machine without an accelerator; with one present it does nothing.

Nothing happens when this package is imported: verl loads ``verl_cpu.plugin`` and vLLM loads ``verl_cpu.vllm_plugin``,
each through its own entry-point group. Both swallow the failures of plug-ins, so launchers call ``check`` first.
"""

from verl_cpu.checks import check

__all__ = ["check"]

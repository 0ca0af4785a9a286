"""Reads the tool calls of a response in several syntaxes, and judges them by ToolRL's and BFCL's rules."""

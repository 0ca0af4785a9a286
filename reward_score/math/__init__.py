"""Reads the answers of mathematics in LaTeX and plain text, and tells whether two of them are one."""

"""The recipe's YAML files, which hold every default."""

"""Trains several methods of one setting, one after the other, and ends with one report of all."""

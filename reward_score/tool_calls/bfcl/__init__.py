"""BFCL v3's checker: what its rows accept as a call."""

"""Published methods beside DiPO, one file each, all on the same interface; README.md is the index of their papers."""

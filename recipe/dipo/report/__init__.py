"""Shows what runs did, in one page: `python -m recipe.dipo.report RUN_DIR [RUN_DIR ...] -o report.html`."""

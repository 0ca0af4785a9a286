"""Shows what runs did, in one page: `python -m groupwise.report RUN_DIR [RUN_DIR ...] -o report.html`."""

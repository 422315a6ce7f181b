"""Charts of the registered metrics: assets, checks and tables over the pure `xmr` library."""

"""`dreamclass-intel doctor`: is every source and the warehouse configured, reachable, permitted, within quota, on time?

`report.py` is the pure model, `checkup.py` what a probe writes into, `examine.py` runs the probes, `render.py` shows
them. The probes lie beside what they ask: `defs/<source>/doctor.py`, `warehouse/<backend>_doctor.py`.
"""

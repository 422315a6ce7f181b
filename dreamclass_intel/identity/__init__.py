"""Identity resolution as a pure library: source records in, stable company ids out. No Dagster, no warehouse.

`normalise`, `domains`: comparable spellings. `edges`: evidence between records. `clusters`: who is one company.
`stable_ids`: which id it keeps. `generations`: one day on top of the day before. `history`: the ledger of events
from which any generation is rebuilt. `survivorship`: the one value a field shows.
"""

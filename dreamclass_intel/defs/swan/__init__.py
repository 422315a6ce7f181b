"""SwanAI: identified company visits, contract visitor-feed/1 (docs/contracts/visitor-feed.md)."""

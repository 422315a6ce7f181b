"""DreamClass backend events: contract dreamclass-events/1 (docs/contracts)."""

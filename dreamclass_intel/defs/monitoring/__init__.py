"""Asset checks shared by all tables, and alerts: one message an episode."""

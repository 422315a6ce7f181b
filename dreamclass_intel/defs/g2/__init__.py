"""G2 buyer intent (API v2): which companies research us and our category on G2 and Capterra."""

"""Lead scoring runs and lead scores, read from Supabase (PostgREST) with the official client."""

{{ net_new_mrr('week') }}

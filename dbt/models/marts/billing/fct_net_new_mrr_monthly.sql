{{ net_new_mrr('month') }}

"""The unattended chain: which jobs there are and what starts them."""

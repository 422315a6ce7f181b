"""Stripe: customers, products, prices, subscriptions, invoices and their lines, events."""

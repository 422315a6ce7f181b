"""The CRM: HubSpot over its v3 API, or CSV exports of any CRM (docs/contracts/crm-csv.md)."""

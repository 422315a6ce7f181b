"""The CRM: HubSpot over its v3 API, or a folder of CSV exports of any CRM (docs/contracts)."""

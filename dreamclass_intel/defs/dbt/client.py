"""The dbt command line as a resource."""

from dreamclass_intel.defs.dbt.project import command_line

RESOURCES = {"dbt_cli": command_line()}

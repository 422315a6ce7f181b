"""The dbt command line as a resource."""

from dagster_dbt import DbtCliResource

from dreamclass_intel.defs.dbt.project import DBT, DBT_DIR
from dreamclass_intel.settings import load_settings

RESOURCES = {
    "dbt_cli": DbtCliResource(
        project_dir=str(DBT_DIR), profiles_dir=str(DBT_DIR), target=load_settings().warehouse, dbt_executable=DBT
    )
}

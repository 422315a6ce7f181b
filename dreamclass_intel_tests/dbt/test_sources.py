"""Generated dbt files follow the declared tables."""

from dreamclass_intel import catalog, dbt_sources


def test_sources_are_not_stale() -> None:
    assert dbt_sources.PATH.read_text(encoding="utf-8") == dbt_sources.render(), (
        "run: python -m dreamclass_intel.dbt_sources"
    )


def test_raw_tables_are_not_stale() -> None:
    assert dbt_sources.TABLES_PATH.read_text(encoding="utf-8") == dbt_sources.render_raw_tables(), (
        "run: python -m dreamclass_intel.dbt_sources"
    )


def test_every_stored_column_is_there() -> None:
    text = dbt_sources.render()
    for table in catalog.tables().values():
        for column in table.stored_columns:
            assert f"- name: {column.name}\n" in text

"""Dagster's SQLite event log, with batches written as batches.

A ranged backfill records one planned and one materialisation event per (asset, day): two years of thirty
daily tables are 44,000 events. Stock storage opens a new engine, compiles and commits for each (about 16 ms
each); Dagster already hands the events over in batches (DAGSTER_EVENT_BATCH_SIZE), this class stores them so.
The tables and files are the stock ones: removing the class from `dagster.yaml` loses nothing.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, Self

from dagster._core.events import ASSET_EVENTS
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.schema import AssetKeyTable, SqlEventLogStorageTable
from dagster._core.storage.sqlalchemy_compat import db_select
from dagster._core.storage.sqlite import create_db_conn_string
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, NullPool, StaticPool, create_engine, inspect
from sqlalchemy import event as sqlalchemy_event

BUSY_TIMEOUT_SECONDS = 30
MAX_OPEN_RUN_SHARDS = 8
INDEX_SHARD = "index"


def _synchronous_normal(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA synchronous=NORMAL")


def _is_plain(event: EventLogEntry) -> bool:
    return event.is_dagster_event and event.dagster_event_type in ASSET_EVENTS


def _is_stamped(run_shard: Engine) -> bool:
    """Whether a run's file has its tables and schema version. Stock code reads Dagster's 90 migrations to compare
    the version, but such a file is never migrated: 30 ms for each run looked at."""
    with run_shard.connect() as conn:
        if not inspect(conn).has_table("event_logs") or not inspect(conn).has_table("alembic_version"):
            return False
        return conn.exec_driver_sql("SELECT version_num FROM alembic_version").first() is not None


class BatchedSqliteEventLogStorage(SqliteEventLogStorage):
    """`SqliteEventLogStorage` whose `store_event_batch` is one transaction per shard and stretch."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: dict[str, Engine] = {}
        self._tables: set[str] = set()
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        """Dagster's constructor from dagster.yaml."""
        return cls(inst_data=inst_data, **config_value)

    def _engine(self, shard: str) -> Engine:
        # A kept engine keeps its connection and SQLAlchemy's compiled statements; stock code throws both
        # away at every event. `_db_lock` lets one thread at a time use the one connection.
        if shard not in self._engines:
            for old in [name for name in self._engines if name != INDEX_SHARD][:-MAX_OPEN_RUN_SHARDS]:
                self._engines.pop(old).dispose()
            engine = create_engine(
                create_db_conn_string(self._base_dir, shard),
                poolclass=StaticPool,
                connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
            )
            # NORMAL under WAL: a power cut may cost the last events of a run, never the database.
            sqlalchemy_event.listen(engine, "connect", _synchronous_normal)
            self._engines[shard] = engine
        return self._engines[shard]

    def _initdb(self, engine: Engine, for_index_shard: bool = False) -> None:
        # Every run has its own file; running alembic for each costs 0.2 s, a copy of an empty one nothing.
        target = Path(str(engine.url.database))
        template = Path(self._base_dir) / "empty.template"
        if for_index_shard or target.exists():
            if for_index_shard or not _is_stamped(engine):
                super()._initdb(engine, for_index_shard)
            return
        scratch = template.with_suffix(f".{os.getpid()}")
        if not template.exists():
            blank = create_engine(f"sqlite:///{scratch}", poolclass=NullPool)
            super()._initdb(blank)
            blank.dispose()
            os.replace(scratch, template)
        shutil.copyfile(template, scratch)
        try:
            os.link(scratch, target)  # unlike a copy, never over what another process has begun
        except FileExistsError:
            pass
        finally:
            scratch.unlink()

    def has_table(self, table_name: str) -> bool:
        """Whether the index has a table. Asked at every check; a table that is there stays."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            engine = self._engine(shard)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.connect() as conn, conn.begin():
                yield conn

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store events in order: stretches of plain asset events at once, anything else the stock way."""
        for (run_id, plain), stretch in groupby(events, lambda event: (event.run_id, _is_plain(event))):
            if plain:
                self._store_stretch(run_id, list(stretch))
            else:
                for event in stretch:
                    self.store_event(event)

    def _store_stretch(self, run_id: str, events: Sequence[EventLogEntry]) -> None:
        rows = [self._event_to_row(event) for event in events]
        with self.run_connection(run_id) as conn:
            conn.execute(SqlEventLogStorageTable.insert(), rows)
        with self.index_transaction() as conn:
            # SQLite has one writer: rows of one transaction get consecutive ids in insertion order.
            conn.execute(SqlEventLogStorageTable.insert(), rows)
            (last_id,) = conn.exec_driver_sql("SELECT max(id) FROM event_logs").one()
            ids = range(last_id - len(rows) + 1, last_id + 1)
            self._store_asset_event_tags(conn, events, list(ids))
            # The newest of each type: a plan or an observation does not replace what a materialisation left.
            newest = {
                (event.get_dagster_event().asset_key, event.dagster_event_type): (event, event_id)
                for event, event_id in zip(events, ids, strict=True)
            }
            for event, event_id in sorted(newest.values(), key=lambda pair: pair[1]):
                self._upsert_asset(conn, event, event_id)

    def _upsert_asset(self, conn: Connection, event: EventLogEntry, event_id: int) -> None:
        values = self._get_asset_entry_values(event, event_id, has_asset_key_index_cols=True)
        key = event.get_dagster_event().asset_key
        if not values or key is None:
            return
        known = conn.execute(
            db_select([AssetKeyTable.c.id]).where(AssetKeyTable.c.asset_key == key.to_string())
        ).first()
        if known:
            conn.execute(AssetKeyTable.update().values(**values).where(AssetKeyTable.c.asset_key == key.to_string()))
        else:
            conn.execute(AssetKeyTable.insert().values(asset_key=key.to_string(), **values))

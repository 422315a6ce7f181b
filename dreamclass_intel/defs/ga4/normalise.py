"""Report definitions, and answers of the Data API as records of their table."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

OTHER = "(other)"
_DATE = re.compile(r"(\d{4})(\d{2})(\d{2})")


@dataclass(frozen=True)
class Report:
    """A report definition: API name -> column, for dimensions and metrics."""

    name: str
    table: str
    dimensions: dict[str, str]
    metrics: dict[str, str]


@cache
def reports() -> dict[str, Report]:
    """The definitions of `reports.yaml` by name."""
    found = yaml.safe_load((Path(__file__).parent / "reports.yaml").read_text())
    return {name: Report(name, **definition) for name, definition in found.items()}


def to_records(report: Report, answer: Any) -> Iterator[dict[str, Any]]:
    """Rows of one `RunReportResponse` with the flags that say how far its numbers can be trusted.

    A date that is none, GA4's `(other)`, is left as it is: the contract then sets the row aside.
    """
    metadata = answer.metadata
    sampling = list(metadata.sampling_metadatas)
    flags = {
        "subject_to_thresholding": metadata.subject_to_thresholding,
        "data_loss_from_other_row": metadata.data_loss_from_other_row,
        "samples_read": sum(s.samples_read_count for s in sampling) if sampling else None,
        "sampling_space": sum(s.sampling_space_size for s in sampling) if sampling else None,
        "time_zone": metadata.time_zone,
        "currency_code": metadata.currency_code or None,
    }
    dimensions = [report.dimensions[header.name] for header in answer.dimension_headers]
    metrics = [report.metrics[header.name] for header in answer.metric_headers]
    for row in answer.rows:
        names = [value.value for value in row.dimension_values]
        record = dict(zip(dimensions, names, strict=True))
        record |= zip(metrics, (value.value for value in row.metric_values), strict=True)
        day = _DATE.fullmatch(record.get("report_date", ""))
        if day:
            record["report_date"] = "-".join(day.groups())
        yield {**record, **flags, "is_other_row": OTHER in names}

"""Our tasks' inputs and outputs in the events of Airflow's provider for OpenLineage.

Set `[openlineage] extractors = perennial_airflow.openlineage.PerennialExtractor`. The provider imports this module, and
nothing else does: it is optional. Of tasks of other people's DAGs it says nothing, and the provider goes on as it does
without it.
"""

import attr
from airflow.providers.openlineage.extractors.base import BaseExtractor, OperatorLineage
from openlineage.client.event_v2 import Dataset, InputDataset, OutputDataset
from openlineage.client.facet_v2 import (
    DatasetFacet,
    RunFacet,
    dataset_version_dataset,
    output_statistics_output_dataset,
    schema_dataset,
)

from perennial_airflow import lineage
from perennial_airflow.lineage import DataSet, Lineage

Told = OperatorLineage[Dataset, RunFacet]
SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/DatasetFacet"


@attr.define
class PerennialFacet(DatasetFacet):
    """Which windows the data is of, and the digest of its content ("" of several windows together)."""

    windows: list[str] = attr.field(factory=list)
    digest: str = ""

    @staticmethod
    def _get_schema() -> str:
        return SCHEMA


class PerennialExtractor(BaseExtractor):
    """Hands on what a task of ours has left (see `lineage`)."""

    @classmethod
    def get_operator_classnames(cls) -> list[str]:
        """The classes of our tasks; those made by `@task` are everybody's."""
        return ["Ingest", "_PythonDecoratedOperator"]

    def _execute_extraction(self) -> Told:
        """Before the task has run, nothing is known of it."""
        return Told()

    def extract_on_complete(self, task_instance: object) -> Told:
        """What it read and wrote; nothing of a task that is not ours, for which the provider looks elsewhere then."""
        del task_instance
        found = lineage.take()
        return Told() if found is None else as_openlineage(found)


def as_openlineage(found: Lineage) -> Told:
    """The lineage in the provider's own types. A source that is asked by SQL is the tables in it."""
    inputs = [dataset for each in found.inputs for dataset in _inputs(each)]
    return OperatorLineage(inputs=inputs, outputs=[_output(each) for each in found.outputs])


def _inputs(of: DataSet) -> list[Dataset]:
    tables = _tables(of)
    if tables:
        return [InputDataset(namespace=of.namespace, name=name, facets=_facets(of)) for name in tables]
    return [InputDataset(namespace=of.namespace, name=of.name, facets=_facets(of))]


def _tables(of: DataSet) -> list[str]:
    """The tables that a query reads, by database and schema; none where the parser does not understand it."""
    if not of.query:
        return []
    from openlineage_sql import parse

    database, found = of.name.partition(".")[0], parse([of.query], dialect="postgres")
    if found is None or found.errors:
        return []
    return sorted({f"{database}.{each.schema or 'public'}.{each.name}" for each in found.in_tables})


def _output(of: DataSet) -> Dataset:
    counted = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=of.rows)
    return OutputDataset(
        namespace=of.namespace,
        name=of.name,
        facets=_facets(of),
        outputFacets={"outputStatistics": counted} if of.rows is not None else {},
    )


def _facets(of: DataSet) -> dict[str, DatasetFacet]:
    facets: dict[str, DatasetFacet] = {}
    if of.version:
        facets["version"] = dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=of.version)
    if of.columns:
        fields = [schema_dataset.SchemaDatasetFacetFields(name=name, type=kind) for name, kind in of.columns.items()]
        facets["schema"] = schema_dataset.SchemaDatasetFacet(fields=fields)
    if of.windows or of.digest:
        facets["perennial"] = PerennialFacet(windows=list(of.windows), digest=of.digest)
    return facets

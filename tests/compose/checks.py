"""The invariants of docs/invariants.md, in SQL over the stack's databases, to be asked again after each fault."""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

Rows = list[tuple[Any, ...]]
Sql = Callable[[str, str], Rows]  # database, statement

# Each query gives the rows that break the invariant, from the ledger alone.
IN_THE_LEDGER = {
    "I1: one snapshot digest names rows of one number and one window": """
        SELECT use_case, digest FROM ledger.snapshots GROUP BY use_case, digest
        HAVING count(DISTINCT (rows, window_start, window_end)) > 1""",
    "I2: every batch has a verdict pass or warn for its snapshot": """
        SELECT use_case, window_start, revision FROM ledger.batches b WHERE NOT EXISTS (
            SELECT 1 FROM ledger.validations v
            WHERE (v.use_case, v.window_start, v.window_end, v.snapshot_digest, v.suite_digest)
                = (b.use_case, b.window_start, b.window_end, b.snapshot_digest, b.suite_digest)
            AND v.verdict IN ('pass', 'warn'))""",
    "I3: revisions of a window follow each other without a gap": """
        SELECT use_case, window_start FROM ledger.batches GROUP BY use_case, window_start, window_end
        HAVING count(*) <> max(revision) - min(revision) + 1""",
    "I4: every lease was given back": "SELECT subject, window_start, run_id FROM ledger.leases WHERE NOT settled",
    "I5: deployments of a role are one line": """
        SELECT use_case, role FROM ledger.deployments GROUP BY use_case, role
        HAVING count(*) FILTER (WHERE supersedes IS NULL) <> 1
            OR count(*) <> count(DISTINCT coalesce(supersedes, 0))""",
    "I5: every deployment has its link in the chain": """
        SELECT id FROM ledger.deployments d WHERE NOT EXISTS (
            SELECT 1 FROM ledger.chain c WHERE (c.kind, c.entry_id) = ('deployment', d.id))""",
    "I9: every row that came in was scored or set aside, and counted": """
        SELECT b.use_case, b.window_start, b.rows, v.rows, v.rows_quarantined
        FROM ledger.batches b JOIN ledger.validations v
            ON (v.use_case, v.window_start, v.window_end, v.snapshot_digest, v.suite_digest)
             = (b.use_case, b.window_start, b.window_end, b.snapshot_digest, b.suite_digest)
        WHERE b.rows <> v.rows - v.rows_quarantined""",
}
LIVE = """
    SELECT DISTINCT ON (window_start) window_start, revision, rows, model_digest FROM ledger.batches
    WHERE use_case = '{}' ORDER BY window_start, revision DESC"""
PUBLISHED = """
    SELECT p.window_start, min(p.revision), count(*), min(p.model_digest), count(DISTINCT p.{key}),
        count(DISTINCT (p.revision, p.model_digest)), min(w.row_count)
    FROM perennial.provenance_{use_case} p JOIN perennial.published_windows w
        ON w.use_case = '{use_case}' AND w.window_start = p.window_start
    GROUP BY 1 ORDER BY 1"""
CHAMPION = """
    SELECT model_version FROM ledger.deployments WHERE use_case = '{}' AND role = 'champion' ORDER BY id DESC LIMIT 1"""
ALIAS = "SELECT version FROM registered_model_aliases WHERE name = '{}' AND alias = 'champion'"


def broken(sql: Sql, use_case: str, key: str, wanted: Collection[datetime]) -> list[str]:
    """What does not hold, a line each; `wanted` are the starts of the windows that were asked for."""
    found = [f"{name}: {rows[:3]}" for name, query in IN_THE_LEDGER.items() if (rows := sql("ledger", query))]
    live = {start: (revision, rows, model) for start, revision, rows, model in sql("ledger", LIVE.format(use_case))}
    missing = sorted(set(wanted) - set(live))
    if missing:
        found.append(f"I9: {len(missing)} windows were asked for and have no batch: {missing[:3]}")
    published = sql("published", PUBLISHED.format(use_case=use_case, key=key))
    shown = {start: (revision, rows, model) for start, revision, rows, model, *_ in published}
    differing = {start for start in {*live, *shown} if live.get(start) != shown.get(start)}
    if differing:
        found.append(f"I3: ledger and published table differ in {len(differing)} windows: {sorted(differing)[:3]}")
    for start, _, rows, _, keys, kinds, counted in published:
        if (rows, 1) != (keys, kinds) or counted != rows:
            found.append(f"I3: {start}: {rows} rows, {keys} keys, {kinds} models and revisions, {counted} counted")
    champion, alias = sql("ledger", CHAMPION.format(use_case)), sql("mlflow", ALIAS.format(use_case))
    if [str(version) for (version,) in champion] != [str(version) for (version,) in alias]:
        found.append(f"I5: the champion is {champion}, and MLflow's alias says {alias}")
    return found

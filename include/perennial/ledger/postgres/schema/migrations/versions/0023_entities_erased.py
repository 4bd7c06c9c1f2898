"""An entity can be taken out of the entries that name it: by one function, which does nothing else and records it.

The tables stay closed to everybody else: their trigger lets a change pass only where the function has said so in this
transaction, and only as the table's owner, as whom the function runs. Who owns the tables could take the triggers away
anyhow. The owner decides who may call the function (`perennial.ledger.postgres.schema.writers`).
"""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_TABLE = """
CREATE TABLE ledger.redactions (
    id bigint GENERATED ALWAYS AS IDENTITY,
    use_case text NOT NULL,
    window_start timestamptz NOT NULL,
    window_end timestamptz NOT NULL,
    subject text NOT NULL,
    validations bigint NOT NULL,
    questions bigint NOT NULL,
    answers bigint NOT NULL,
    run_id text NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT pk_redactions PRIMARY KEY (id),
    CONSTRAINT uq_redactions UNIQUE (use_case, window_start, window_end, subject, run_id),
    CONSTRAINT ck_redactions_window CHECK (window_start < window_end)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.redactions
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

ALTER TABLE ledger.interventions
    DROP CONSTRAINT ck_interventions_kind,
    ADD CONSTRAINT ck_interventions_kind CHECK (kind IN (
        'alias_restored', 'lake_restored', 'published_restored', 'rows_accepted', 'files_removed', 'window_empty',
        'replay_asked', 'rolled_back', 'alert_acknowledged', 'alert_silenced', 'version_archived', 'version_restored',
        'use_case_ended', 'data_erased', 'feature_allowed', 'entity_erased', 'erasure_finished'));
"""

_REFUSAL = """
CREATE FUNCTION ledger.refuse_change_but_redaction() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'TRUNCATE' AND pg_catalog.current_setting('perennial.redacting', true) = TG_RELID::text
        AND current_user = (
            SELECT pg_catalog.pg_get_userbyid(relowner) FROM pg_catalog.pg_class WHERE oid = TG_RELID)
    THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION '% on ledger.% is refused: the ledger is append-only. Record a new entry instead.',
        TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$
"""

# Of a JSON value, whether it or anything in it, names of fields too, is among the values.
_NAMES = """
CREATE FUNCTION ledger.names_any(part jsonb, named jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM jsonb_path_query(part, 'strict $.**') AS found(each)
        WHERE CASE jsonb_typeof(each)
            WHEN 'object' THEN EXISTS (SELECT FROM jsonb_object_keys(each) AS k(name) WHERE named @> to_jsonb(name))
            WHEN 'array' THEN false
            ELSE named @> each END)
$$
"""

_EXPECTATION = """
CREATE FUNCTION ledger.expectation_without(outcome jsonb, named jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
    WITH wanted AS (SELECT CASE WHEN outcome -> 'kwargs' ->> 'column' IS NULL
        THEN (SELECT coalesce(jsonb_agg(each), '[]') FROM jsonb_each(named) AS c(name, list),
              jsonb_array_elements(list) AS v(each))
        ELSE coalesce(named -> (outcome -> 'kwargs' ->> 'column'), '[]') END AS list)
    SELECT outcome
        || CASE WHEN jsonb_typeof(outcome -> 'samples') = 'array' THEN jsonb_build_object('samples', (
            SELECT coalesce(jsonb_agg(each ORDER BY position), '[]')
            FROM jsonb_array_elements(outcome -> 'samples') WITH ORDINALITY AS s(each, position)
            WHERE NOT ledger.names_any(each, list))) ELSE '{}' END
        || CASE WHEN jsonb_typeof(outcome -> 'values') = 'array' THEN jsonb_build_object('values', (
            SELECT coalesce(jsonb_agg(each ORDER BY position), '[]')
            FROM jsonb_array_elements(outcome -> 'values') WITH ORDINALITY AS s(each, position)
            WHERE NOT ledger.names_any(coalesce(each -> 'value', 'null'), list))) ELSE '{}' END
        || CASE WHEN ledger.names_any(coalesce(outcome -> 'observed', 'null'), list)
            THEN '{"observed": null}'::jsonb ELSE '{}' END
    FROM wanted
$$
"""

_RESULT = """
CREATE FUNCTION ledger.result_without(result jsonb, named jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT (CASE WHEN ledger.names_any(coalesce(result -> 'seen', 'null'), (
            SELECT coalesce(jsonb_agg(each), '[]') FROM jsonb_each(named) AS c(name, list),
            jsonb_array_elements(list) AS v(each))) THEN result - 'seen' ELSE result END)
        || CASE WHEN jsonb_typeof(result -> 'expectations') = 'array' THEN jsonb_build_object('expectations', (
            SELECT coalesce(jsonb_agg(ledger.expectation_without(each, named) ORDER BY position), '[]')
            FROM jsonb_array_elements(result -> 'expectations') WITH ORDINALITY AS s(each, position))) ELSE '{}' END
$$
"""

_REDACT = """
CREATE FUNCTION ledger.redact_entity(
    of_use_case text, of_start timestamptz, of_end timestamptz, of_entity text, named jsonb,
    called text, by_run text, at timestamptz
) RETURNS SETOF ledger.redactions LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_validations bigint;
    found_questions bigint;
    found_answers bigint;
BEGIN
    PERFORM set_config('perennial.redacting', 'ledger.validations'::regclass::oid::text, true);
    UPDATE ledger.validations AS v SET result = ledger.result_without(v.result, named)
    WHERE v.use_case = of_use_case AND v.window_start = of_start AND v.window_end = of_end
        AND ledger.result_without(v.result, named) <> v.result;
    GET DIAGNOSTICS found_validations = ROW_COUNT;

    SELECT count(*) INTO found_questions
    FROM ledger.review_selections AS s, jsonb_array_elements(s.questions) AS q(each)
    WHERE s.use_case = of_use_case AND s.window_start = of_start AND s.window_end = of_end
        AND each ->> 'entity' = of_entity;
    PERFORM set_config('perennial.redacting', 'ledger.review_selections'::regclass::oid::text, true);
    UPDATE ledger.review_selections AS s SET questions = (
        SELECT coalesce(jsonb_agg(each ORDER BY position), '[]')
        FROM jsonb_array_elements(s.questions) WITH ORDINALITY AS q(each, position)
        WHERE each ->> 'entity' <> of_entity)
    WHERE s.use_case = of_use_case AND s.window_start = of_start AND s.window_end = of_end
        AND EXISTS (SELECT FROM jsonb_array_elements(s.questions) AS q(each) WHERE each ->> 'entity' = of_entity);

    PERFORM set_config('perennial.redacting', 'ledger.human_labels'::regclass::oid::text, true);
    DELETE FROM ledger.human_labels AS l
    WHERE l.use_case = of_use_case AND l.window_start = of_start AND l.window_end = of_end AND l.entity = of_entity;
    GET DIAGNOSTICS found_answers = ROW_COUNT;
    PERFORM set_config('perennial.redacting', '', true);

    IF found_validations + found_questions + found_answers > 0 THEN
        INSERT INTO ledger.redactions (
            use_case, window_start, window_end, subject, validations, questions, answers, run_id, recorded_at)
        VALUES (of_use_case, of_start, of_end, called, found_validations, found_questions, found_answers, by_run, at)
        ON CONFLICT DO NOTHING;
        RETURN QUERY SELECT * FROM ledger.redactions AS r
            WHERE r.use_case = of_use_case AND r.window_start = of_start AND r.window_end = of_end
                AND r.subject = called AND r.run_id = by_run;
    END IF;
END
$$;
REVOKE ALL ON FUNCTION ledger.redact_entity(
    text, timestamptz, timestamptz, text, jsonb, text, text, timestamptz) FROM PUBLIC;
"""


def upgrade() -> None:
    """Make the table, the function and its trigger, and let the kinds of interventions in."""
    for statement in (_TABLE, _REFUSAL, _NAMES, _EXPECTATION, _RESULT, _REDACT):
        op.execute(statement)
    for table in ("validations", "review_selections", "human_labels"):
        op.execute(
            f"CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.{table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change_but_redaction()"
        )

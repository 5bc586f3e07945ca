-- The token usage of a team by quarter of an hour, model and project. Every time zone in use differs from UTC by whole quarters
-- of an hour, so the hours, days and months of each zone are sums of these rows. Trigger: each statement that inserts events
-- adds their sums in the same transaction.
CREATE TABLE "token_quarters" (
  "team_id" TEXT NOT NULL,
  -- The first second of the quarter of an hour.
  "quarter_second" BIGINT NOT NULL,
  "model" TEXT NOT NULL,
  -- Empty for events without a project.
  "project" TEXT NOT NULL,
  "events" BIGINT NOT NULL,
  "input_tokens" NUMERIC(40, 0) NOT NULL,
  "output_tokens" NUMERIC(40, 0) NOT NULL,
  "charge_micros" BIGINT NOT NULL,
  PRIMARY KEY ("team_id", "quarter_second", "model", "project"),
  CONSTRAINT "token_quarters_whole" CHECK ("quarter_second" % 900 = 0),
  CONSTRAINT "token_quarters_not_negative" CHECK (
    "events" > 0 AND "input_tokens" >= 0 AND "output_tokens" >= 0 AND "charge_micros" >= 0
  )
);

CREATE FUNCTION "add_to_token_quarters"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO "token_quarters" AS quarters
    ("team_id", "quarter_second", "model", "project", "events", "input_tokens", "output_tokens", "charge_micros")
  SELECT "team_id", "second" - "second" % 900 AS quarter, "model", COALESCE("project", '') AS project, COUNT(*),
    SUM("input_tokens"), SUM("output_tokens"), SUM("charge_micros")
  FROM added GROUP BY "team_id", quarter, "model", project ORDER BY "team_id", quarter, "model", project
  ON CONFLICT ("team_id", "quarter_second", "model", "project") DO UPDATE SET
    "events" = quarters."events" + EXCLUDED."events",
    "input_tokens" = quarters."input_tokens" + EXCLUDED."input_tokens",
    "output_tokens" = quarters."output_tokens" + EXCLUDED."output_tokens",
    "charge_micros" = quarters."charge_micros" + EXCLUDED."charge_micros";
  RETURN NULL;
END
$$;

-- The runtime role may not write "token_quarters" itself: the trigger writes it as the owner of the function.
DO $$
BEGIN
  EXECUTE format(
    'ALTER FUNCTION %1$I.add_to_token_quarters() SECURITY DEFINER SET search_path = %1$I, pg_temp', current_schema());
END
$$;

-- The trigger exists before the present events are summed, and its lock keeps other events out until this migration ends.
CREATE TRIGGER "usage_events_add_to_token_quarters" AFTER INSERT ON "usage_events"
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION "add_to_token_quarters"();

INSERT INTO "token_quarters"
  SELECT "team_id", "second" - "second" % 900 AS quarter, "model", COALESCE("project", '') AS project, COUNT(*),
    SUM("input_tokens"), SUM("output_tokens"), SUM("charge_micros")
  FROM "usage_events" GROUP BY "team_id", quarter, "model", project;

-- The events of a part of a quarter, and the events of a ledger row.
CREATE INDEX "usage_events_team_id_second_idx" ON "usage_events" ("team_id", "second");

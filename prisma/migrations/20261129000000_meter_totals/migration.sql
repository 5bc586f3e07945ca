-- Fewer sums over a team's running segments than "meter_sums" has, for a balance whose time does not grow with the number of
-- different rates and days of start: see billing/meter-sums.ts. The triggers on "segments" keep all of these tables.
-- Until the end of this migration no segment changes.
LOCK TABLE "segments" IN SHARE ROW EXCLUSIVE MODE;

-- Over all days and remainders.
CREATE TABLE "meter_totals" (
  "team_id" TEXT NOT NULL,
  "kind" TEXT NOT NULL,
  "list_micros_per_hour" BIGINT NOT NULL,
  "discount_basis_points" INTEGER NOT NULL,
  "count" BIGINT NOT NULL,
  "rate_micros_per_hour" NUMERIC(40, 0) NOT NULL,
  "rate_times_start" NUMERIC(60, 0) NOT NULL,
  "posted_micros" NUMERIC(40, 0) NOT NULL,
  -- The remainders of rate × seconds / 3600 at a full hour, such as 00:00 UTC: the same at each.
  "hour_remainders" BIGINT NOT NULL,
  PRIMARY KEY ("team_id", "kind", "list_micros_per_hour", "discount_basis_points")
);

-- The same by day of start. The posted amount, which each settlement changes, is not needed by day.
CREATE TABLE "meter_days" (
  "team_id" TEXT NOT NULL,
  "day_second" BIGINT NOT NULL,
  "kind" TEXT NOT NULL,
  "list_micros_per_hour" BIGINT NOT NULL,
  "discount_basis_points" INTEGER NOT NULL,
  "count" BIGINT NOT NULL,
  "rate_micros_per_hour" NUMERIC(40, 0) NOT NULL,
  "rate_times_start" NUMERIC(60, 0) NOT NULL,
  "hour_remainders" BIGINT NOT NULL,
  PRIMARY KEY ("team_id", "day_second", "kind", "list_micros_per_hour", "discount_basis_points")
);

-- The number of meters by remainder, which gives the remainders at every second.
CREATE TABLE "meter_remainders" (
  "team_id" TEXT NOT NULL,
  "rate_remainder" INTEGER NOT NULL,
  "start_remainder" INTEGER NOT NULL,
  "count" BIGINT NOT NULL,
  PRIMARY KEY ("team_id", "rate_remainder", "start_remainder")
);

CREATE OR REPLACE FUNCTION "add_opened_to_meter_sums"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  WITH moved AS MATERIALIZED (
    SELECT "team_id", "start_second" - "start_second" % 86400 AS "day_second", "meter_kind"("given", "covered_by") AS "kind",
      CASE "meter_kind"("given", "covered_by") WHEN 'listed' THEN "list_micros_per_hour" ELSE 0 END AS "list_micros_per_hour",
      "discount_basis_points", ("rate_micros_per_hour" % 3600)::integer AS "rate_remainder",
      (("rate_micros_per_hour" % 3600) * ("start_second" % 3600) % 3600)::integer AS "start_remainder",
      SUM("sign")::bigint AS "count", SUM("sign" * "rate_micros_per_hour") AS "rate_micros_per_hour",
      SUM("sign" * "rate_micros_per_hour"::numeric * "start_second") AS "rate_times_start",
      SUM("sign" * "posted_micros") AS "posted_micros"
    FROM (SELECT 1 AS "sign", * FROM opened) AS moving WHERE "end_second" IS NULL
    GROUP BY 1, 2, 3, 4, 5, 6, 7
  ), to_sums AS (
    INSERT INTO "meter_sums" AS sums
    SELECT "team_id", "day_second", "kind", "list_micros_per_hour", "discount_basis_points", "rate_remainder", "start_remainder",
      "count", "rate_micros_per_hour", "rate_times_start", "posted_micros"
    FROM moved ORDER BY 1, 2, 3, 4, 5, 6, 7
    ON CONFLICT ON CONSTRAINT "meter_sums_pkey" DO UPDATE SET
      "count" = sums."count" + EXCLUDED."count",
      "rate_micros_per_hour" = sums."rate_micros_per_hour" + EXCLUDED."rate_micros_per_hour",
      "rate_times_start" = sums."rate_times_start" + EXCLUDED."rate_times_start",
      "posted_micros" = sums."posted_micros" + EXCLUDED."posted_micros"
  ), to_totals AS (
    INSERT INTO "meter_totals" AS sums
    SELECT "team_id", "kind", "list_micros_per_hour", "discount_basis_points", SUM("count"), SUM("rate_micros_per_hour"),
      SUM("rate_times_start"), SUM("posted_micros"), SUM("count" * ((3600 - "start_remainder") % 3600))
    FROM moved GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    ON CONFLICT ON CONSTRAINT "meter_totals_pkey" DO UPDATE SET
      "count" = sums."count" + EXCLUDED."count",
      "rate_micros_per_hour" = sums."rate_micros_per_hour" + EXCLUDED."rate_micros_per_hour",
      "rate_times_start" = sums."rate_times_start" + EXCLUDED."rate_times_start",
      "posted_micros" = sums."posted_micros" + EXCLUDED."posted_micros",
      "hour_remainders" = sums."hour_remainders" + EXCLUDED."hour_remainders"
  ), to_days AS (
    INSERT INTO "meter_days" AS sums
    SELECT "team_id", "day_second", "kind", "list_micros_per_hour", "discount_basis_points", SUM("count"),
      SUM("rate_micros_per_hour"), SUM("rate_times_start"), SUM("count" * ((3600 - "start_remainder") % 3600))
    FROM moved GROUP BY 1, 2, 3, 4, 5
    HAVING SUM("count") <> 0 OR SUM("rate_micros_per_hour") <> 0 OR SUM("rate_times_start") <> 0
      OR SUM("count" * ((3600 - "start_remainder") % 3600)) <> 0
    ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT ON CONSTRAINT "meter_days_pkey" DO UPDATE SET
      "count" = sums."count" + EXCLUDED."count",
      "rate_micros_per_hour" = sums."rate_micros_per_hour" + EXCLUDED."rate_micros_per_hour",
      "rate_times_start" = sums."rate_times_start" + EXCLUDED."rate_times_start",
      "hour_remainders" = sums."hour_remainders" + EXCLUDED."hour_remainders"
  )
  INSERT INTO "meter_remainders" AS sums
  SELECT "team_id", "rate_remainder", "start_remainder", SUM("count")
  FROM moved GROUP BY 1, 2, 3 HAVING SUM("count") <> 0 ORDER BY 1, 2, 3
  ON CONFLICT ON CONSTRAINT "meter_remainders_pkey" DO UPDATE SET "count" = sums."count" + EXCLUDED."count";
  RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION "add_changed_to_meter_sums"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- A settlement, the most frequent change, moves only the posted amount.
  IF NOT EXISTS (
    SELECT "team_id", "instance_id", "segment", "rate_micros_per_hour", "start_second", "end_second", "list_micros_per_hour", "given",
      "discount_basis_points", "covered_by" FROM changed
    EXCEPT ALL
    SELECT "team_id", "instance_id", "segment", "rate_micros_per_hour", "start_second", "end_second", "list_micros_per_hour", "given",
      "discount_basis_points", "covered_by" FROM before
  ) THEN
    WITH moved AS MATERIALIZED (
      SELECT "team_id", "start_second" - "start_second" % 86400 AS "day_second", "meter_kind"("given", "covered_by") AS "kind",
        CASE "meter_kind"("given", "covered_by") WHEN 'listed' THEN "list_micros_per_hour" ELSE 0 END AS "list_micros_per_hour",
        "discount_basis_points", ("rate_micros_per_hour" % 3600)::integer AS "rate_remainder",
        (("rate_micros_per_hour" % 3600) * ("start_second" % 3600) % 3600)::integer AS "start_remainder",
        SUM("sign" * "posted_micros") AS "posted_micros"
      FROM (SELECT -1 AS "sign", * FROM before UNION ALL SELECT 1, * FROM changed) AS moving WHERE "end_second" IS NULL
      GROUP BY 1, 2, 3, 4, 5, 6, 7
    ), to_sums AS (
      INSERT INTO "meter_sums" AS sums
      SELECT "team_id", "day_second", "kind", "list_micros_per_hour", "discount_basis_points", "rate_remainder", "start_remainder",
        0, 0, 0, "posted_micros"
      FROM moved ORDER BY 1, 2, 3, 4, 5, 6, 7
      ON CONFLICT ON CONSTRAINT "meter_sums_pkey" DO UPDATE SET "posted_micros" = sums."posted_micros" + EXCLUDED."posted_micros"
    )
    INSERT INTO "meter_totals" AS sums
    SELECT "team_id", "kind", "list_micros_per_hour", "discount_basis_points", 0, 0, 0, SUM("posted_micros"), 0
    FROM moved GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    ON CONFLICT ON CONSTRAINT "meter_totals_pkey" DO UPDATE SET "posted_micros" = sums."posted_micros" + EXCLUDED."posted_micros";
    RETURN NULL;
  END IF;
  WITH moved AS MATERIALIZED (
    SELECT "team_id", "start_second" - "start_second" % 86400 AS "day_second", "meter_kind"("given", "covered_by") AS "kind",
      CASE "meter_kind"("given", "covered_by") WHEN 'listed' THEN "list_micros_per_hour" ELSE 0 END AS "list_micros_per_hour",
      "discount_basis_points", ("rate_micros_per_hour" % 3600)::integer AS "rate_remainder",
      (("rate_micros_per_hour" % 3600) * ("start_second" % 3600) % 3600)::integer AS "start_remainder",
      SUM("sign")::bigint AS "count", SUM("sign" * "rate_micros_per_hour") AS "rate_micros_per_hour",
      SUM("sign" * "rate_micros_per_hour"::numeric * "start_second") AS "rate_times_start",
      SUM("sign" * "posted_micros") AS "posted_micros"
    FROM (SELECT -1 AS "sign", * FROM before UNION ALL SELECT 1, * FROM changed) AS moving WHERE "end_second" IS NULL
    GROUP BY 1, 2, 3, 4, 5, 6, 7
  ), to_sums AS (
    INSERT INTO "meter_sums" AS sums
    SELECT "team_id", "day_second", "kind", "list_micros_per_hour", "discount_basis_points", "rate_remainder", "start_remainder",
      "count", "rate_micros_per_hour", "rate_times_start", "posted_micros"
    FROM moved ORDER BY 1, 2, 3, 4, 5, 6, 7
    ON CONFLICT ON CONSTRAINT "meter_sums_pkey" DO UPDATE SET
      "count" = sums."count" + EXCLUDED."count",
      "rate_micros_per_hour" = sums."rate_micros_per_hour" + EXCLUDED."rate_micros_per_hour",
      "rate_times_start" = sums."rate_times_start" + EXCLUDED."rate_times_start",
      "posted_micros" = sums."posted_micros" + EXCLUDED."posted_micros"
  ), to_totals AS (
    INSERT INTO "meter_totals" AS sums
    SELECT "team_id", "kind", "list_micros_per_hour", "discount_basis_points", SUM("count"), SUM("rate_micros_per_hour"),
      SUM("rate_times_start"), SUM("posted_micros"), SUM("count" * ((3600 - "start_remainder") % 3600))
    FROM moved GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    ON CONFLICT ON CONSTRAINT "meter_totals_pkey" DO UPDATE SET
      "count" = sums."count" + EXCLUDED."count",
      "rate_micros_per_hour" = sums."rate_micros_per_hour" + EXCLUDED."rate_micros_per_hour",
      "rate_times_start" = sums."rate_times_start" + EXCLUDED."rate_times_start",
      "posted_micros" = sums."posted_micros" + EXCLUDED."posted_micros",
      "hour_remainders" = sums."hour_remainders" + EXCLUDED."hour_remainders"
  ), to_days AS (
    INSERT INTO "meter_days" AS sums
    SELECT "team_id", "day_second", "kind", "list_micros_per_hour", "discount_basis_points", SUM("count"),
      SUM("rate_micros_per_hour"), SUM("rate_times_start"), SUM("count" * ((3600 - "start_remainder") % 3600))
    FROM moved GROUP BY 1, 2, 3, 4, 5
    HAVING SUM("count") <> 0 OR SUM("rate_micros_per_hour") <> 0 OR SUM("rate_times_start") <> 0
      OR SUM("count" * ((3600 - "start_remainder") % 3600)) <> 0
    ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT ON CONSTRAINT "meter_days_pkey" DO UPDATE SET
      "count" = sums."count" + EXCLUDED."count",
      "rate_micros_per_hour" = sums."rate_micros_per_hour" + EXCLUDED."rate_micros_per_hour",
      "rate_times_start" = sums."rate_times_start" + EXCLUDED."rate_times_start",
      "hour_remainders" = sums."hour_remainders" + EXCLUDED."hour_remainders"
  )
  INSERT INTO "meter_remainders" AS sums
  SELECT "team_id", "rate_remainder", "start_remainder", SUM("count")
  FROM moved GROUP BY 1, 2, 3 HAVING SUM("count") <> 0 ORDER BY 1, 2, 3
  ON CONFLICT ON CONSTRAINT "meter_remainders_pkey" DO UPDATE SET "count" = sums."count" + EXCLUDED."count";
  IF EXISTS (SELECT FROM changed WHERE "end_second" IS NOT NULL) THEN
    DELETE FROM "meter_sums" WHERE "team_id" IN (SELECT "team_id" FROM changed) AND "count" = 0;
    DELETE FROM "meter_totals" WHERE "team_id" IN (SELECT "team_id" FROM changed) AND "count" = 0;
    DELETE FROM "meter_days" WHERE "team_id" IN (SELECT "team_id" FROM changed) AND "count" = 0;
    DELETE FROM "meter_remainders" WHERE "team_id" IN (SELECT "team_id" FROM changed) AND "count" = 0;
  END IF;
  RETURN NULL;
END
$$;

-- A replaced function has no settings.
DO $$
BEGIN
  EXECUTE format(
    'ALTER FUNCTION %1$I.add_opened_to_meter_sums() SECURITY DEFINER SET search_path = %1$I, pg_temp', current_schema());
  EXECUTE format(
    'ALTER FUNCTION %1$I.add_changed_to_meter_sums() SECURITY DEFINER SET search_path = %1$I, pg_temp', current_schema());
END
$$;

INSERT INTO "meter_totals"
  SELECT "team_id", "kind", "list_micros_per_hour", "discount_basis_points", SUM("count"), SUM("rate_micros_per_hour"),
    SUM("rate_times_start"), SUM("posted_micros"), SUM("count" * ((3600 - "start_remainder") % 3600))
  FROM "meter_sums" WHERE "count" > 0 GROUP BY 1, 2, 3, 4;

INSERT INTO "meter_days"
  SELECT "team_id", "day_second", "kind", "list_micros_per_hour", "discount_basis_points", SUM("count"),
    SUM("rate_micros_per_hour"), SUM("rate_times_start"), SUM("count" * ((3600 - "start_remainder") % 3600))
  FROM "meter_sums" WHERE "count" > 0 GROUP BY 1, 2, 3, 4, 5;

INSERT INTO "meter_remainders"
  SELECT "team_id", "rate_remainder", "start_remainder", SUM("count")
  FROM "meter_sums" WHERE "count" > 0 GROUP BY 1, 2, 3;

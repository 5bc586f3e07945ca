-- Sums over a team's running segments, so that a fact of a large team does not read each of them. Segments of one row started
-- on one UTC day and leave the same remainder when rate × seconds is divided by 3600: see billing/meter-sums.ts. The
-- database keeps the sums itself, in the transaction that writes the segments, whatever release of the software writes them.
CREATE TABLE "meter_sums" (
  "team_id" TEXT NOT NULL,
  -- The first second of the day of the starts.
  "day_second" BIGINT NOT NULL,
  -- given: by the platform; listed: from the price list; covered: paid for by a reservation.
  "kind" TEXT NOT NULL,
  -- Of those that are listed; otherwise 0.
  "list_micros_per_hour" BIGINT NOT NULL,
  "discount_basis_points" INTEGER NOT NULL,
  -- Rate mod 3600, and rate × start second mod 3600.
  "rate_remainder" INTEGER NOT NULL,
  "start_remainder" INTEGER NOT NULL,
  "count" BIGINT NOT NULL,
  "rate_micros_per_hour" NUMERIC(40, 0) NOT NULL,
  "rate_times_start" NUMERIC(60, 0) NOT NULL,
  "posted_micros" NUMERIC(40, 0) NOT NULL,
  PRIMARY KEY (
    "team_id", "day_second", "kind", "list_micros_per_hour", "discount_basis_points", "rate_remainder", "start_remainder"
  )
);

CREATE FUNCTION "meter_kind"("given" BOOLEAN, "covered_by" TEXT) RETURNS TEXT LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN "covered_by" IS NOT NULL THEN 'covered' WHEN "given" THEN 'given' ELSE 'listed' END
$$;

CREATE FUNCTION "add_opened_to_meter_sums"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO "meter_sums" AS sums
  SELECT "team_id", "start_second" - "start_second" % 86400, "meter_kind"("given", "covered_by"),
    CASE "meter_kind"("given", "covered_by") WHEN 'listed' THEN "list_micros_per_hour" ELSE 0 END, "discount_basis_points",
    "rate_micros_per_hour" % 3600, ("rate_micros_per_hour" % 3600) * ("start_second" % 3600) % 3600,
    COUNT(*), SUM("rate_micros_per_hour"), SUM("rate_micros_per_hour"::numeric * "start_second"), SUM("posted_micros")
  FROM opened WHERE "end_second" IS NULL
  GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7
  ON CONFLICT ON CONSTRAINT "meter_sums_pkey" DO UPDATE SET
    "count" = sums."count" + EXCLUDED."count",
    "rate_micros_per_hour" = sums."rate_micros_per_hour" + EXCLUDED."rate_micros_per_hour",
    "rate_times_start" = sums."rate_times_start" + EXCLUDED."rate_times_start",
    "posted_micros" = sums."posted_micros" + EXCLUDED."posted_micros";
  RETURN NULL;
END
$$;

CREATE FUNCTION "add_changed_to_meter_sums"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO "meter_sums" AS sums
  SELECT "team_id", "start_second" - "start_second" % 86400, "meter_kind"("given", "covered_by"),
    CASE "meter_kind"("given", "covered_by") WHEN 'listed' THEN "list_micros_per_hour" ELSE 0 END, "discount_basis_points",
    "rate_micros_per_hour" % 3600, ("rate_micros_per_hour" % 3600) * ("start_second" % 3600) % 3600,
    SUM("sign"), SUM("sign" * "rate_micros_per_hour"),
    SUM("sign" * "rate_micros_per_hour"::numeric * "start_second"), SUM("sign" * "posted_micros")
  FROM (SELECT -1 AS "sign", * FROM before UNION ALL SELECT 1, * FROM changed) AS moved WHERE "end_second" IS NULL
  GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7
  ON CONFLICT ON CONSTRAINT "meter_sums_pkey" DO UPDATE SET
    "count" = sums."count" + EXCLUDED."count",
    "rate_micros_per_hour" = sums."rate_micros_per_hour" + EXCLUDED."rate_micros_per_hour",
    "rate_times_start" = sums."rate_times_start" + EXCLUDED."rate_times_start",
    "posted_micros" = sums."posted_micros" + EXCLUDED."posted_micros";
  IF EXISTS (SELECT FROM changed WHERE "end_second" IS NOT NULL) THEN
    DELETE FROM "meter_sums" WHERE "team_id" IN (SELECT "team_id" FROM changed) AND "count" = 0;
  END IF;
  RETURN NULL;
END
$$;

-- The runtime role may not write "meter_sums" itself: the triggers write it as the owner of the functions.
DO $$
BEGIN
  EXECUTE format(
    'ALTER FUNCTION %1$I.add_opened_to_meter_sums() SECURITY DEFINER SET search_path = %1$I, pg_temp', current_schema());
  EXECUTE format(
    'ALTER FUNCTION %1$I.add_changed_to_meter_sums() SECURITY DEFINER SET search_path = %1$I, pg_temp', current_schema());
END
$$;

-- Before the rows that are there are summed: until the end of this migration nobody changes one.
CREATE TRIGGER "segments_opened_to_meter_sums" AFTER INSERT ON "segments"
  REFERENCING NEW TABLE AS opened FOR EACH STATEMENT EXECUTE FUNCTION "add_opened_to_meter_sums"();
CREATE TRIGGER "segments_changed_to_meter_sums" AFTER UPDATE ON "segments"
  REFERENCING OLD TABLE AS before NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION "add_changed_to_meter_sums"();

INSERT INTO "meter_sums"
  SELECT "team_id", "start_second" - "start_second" % 86400, "meter_kind"("given", "covered_by"),
    CASE "meter_kind"("given", "covered_by") WHEN 'listed' THEN "list_micros_per_hour" ELSE 0 END, "discount_basis_points",
    "rate_micros_per_hour" % 3600, ("rate_micros_per_hour" % 3600) * ("start_second" % 3600) % 3600,
    COUNT(*), SUM("rate_micros_per_hour"), SUM("rate_micros_per_hour"::numeric * "start_second"), SUM("posted_micros")
  FROM "segments" WHERE "end_second" IS NULL
  GROUP BY 1, 2, 3, 4, 5, 6, 7;

-- Running instances whose meters are not known by the sums alone: a reservation, a spot price or a reclaim moves them.
CREATE INDEX "instances_running_apart_idx" ON "instances" ("team_id") WHERE "end_second" IS NULL
  AND ("pricing" = 'reserved' OR ("pricing" = 'spot' AND "hourly_micros" IS NULL) OR "reclaim_second" IS NOT NULL);

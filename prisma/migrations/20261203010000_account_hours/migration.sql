-- The movements of each team's accounts by hour: credit less debit of its credit and of its owed account. A balance of the past, or
-- beside a row of a list, is the sum of the hours before and of the rows of one hour. One trigger adds each statement's transfers
-- to the days of token usage and to these hours, in the same transaction.
CREATE TABLE "account_hours" (
  "team_id" TEXT NOT NULL,
  -- The first second of the hour.
  "hour_second" BIGINT NOT NULL,
  "credit_micros" BIGINT NOT NULL,
  "owed_account_micros" BIGINT NOT NULL,
  PRIMARY KEY ("team_id", "hour_second"),
  CONSTRAINT "account_hours_whole" CHECK ("hour_second" % 3600 = 0)
);

-- What a transfer adds to one of the accounts of its team, such as 'credit'.
CREATE FUNCTION "moved_micros"("of" TEXT, "team" TEXT, "debit" TEXT, "credit" TEXT, "amount" BIGINT) RETURNS BIGINT
  LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE 'team/' || "team" || '/' || "of" WHEN "credit" THEN "amount" WHEN "debit" THEN -"amount" ELSE 0 END
$$;

CREATE FUNCTION "add_to_account_hours"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO "account_hours" AS hours ("team_id", "hour_second", "credit_micros", "owed_account_micros")
  SELECT "team_id", "second" - "second" % 3600 AS hour,
    SUM("moved_micros"('credit', "team_id", "debit_account", "credit_account", "amount_micros")),
    SUM("moved_micros"('owed', "team_id", "debit_account", "credit_account", "amount_micros"))
  FROM added GROUP BY "team_id", hour ORDER BY "team_id", hour
  ON CONFLICT ("team_id", "hour_second") DO UPDATE SET
    "credit_micros" = hours."credit_micros" + EXCLUDED."credit_micros",
    "owed_account_micros" = hours."owed_account_micros" + EXCLUDED."owed_account_micros";
  IF EXISTS (SELECT FROM added WHERE "code" IN ('token_usage', 'owed_usage')) THEN
    INSERT INTO "token_days" AS days ("team_id", "day_second", "micros")
    SELECT "team_id", "second" - "second" % 86400 AS day, SUM("amount_micros") FROM added
    WHERE "code" IN ('token_usage', 'owed_usage') GROUP BY "team_id", day ORDER BY "team_id", day
    ON CONFLICT ("team_id", "day_second") DO UPDATE SET "micros" = days."micros" + EXCLUDED."micros";
  END IF;
  RETURN NULL;
END
$$;

-- The runtime role may not write these tables itself: the trigger writes them as the owner of the function.
DO $$
BEGIN
  EXECUTE format(
    'ALTER FUNCTION %1$I.add_to_account_hours() SECURITY DEFINER SET search_path = %1$I, pg_temp', current_schema());
END
$$;

-- The trigger exists before the present rows are summed, and its lock keeps other rows out until this migration ends.
DROP TRIGGER "transfers_add_to_token_days" ON "transfers";
DROP FUNCTION "add_to_token_days"();
CREATE TRIGGER "transfers_add_to_account_hours" AFTER INSERT ON "transfers"
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION "add_to_account_hours"();

INSERT INTO "account_hours"
  SELECT "team_id", "second" - "second" % 3600 AS hour,
    SUM("moved_micros"('credit', "team_id", "debit_account", "credit_account", "amount_micros")),
    SUM("moved_micros"('owed', "team_id", "debit_account", "credit_account", "amount_micros"))
  FROM "transfers" GROUP BY "team_id", hour;

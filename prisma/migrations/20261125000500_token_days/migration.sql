-- What a team's tokens cost, by UTC day. A busy team has millions of rows a month, and its balance, its listing and each of
-- its starts from the list ask for their sum. The database itself adds each row as it is written, in the same transaction.
CREATE TABLE "token_days" (
  "team_id" TEXT NOT NULL,
  "day_second" BIGINT NOT NULL,
  "micros" BIGINT NOT NULL CHECK ("micros" > 0),
  PRIMARY KEY ("team_id", "day_second")
);

CREATE FUNCTION "add_to_token_days"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO "token_days" AS days ("team_id", "day_second", "micros")
  SELECT "team_id", "second" - "second" % 86400 AS day, SUM("amount_micros") FROM added
  WHERE "code" IN ('token_usage', 'owed_usage') GROUP BY "team_id", day ORDER BY "team_id", day
  ON CONFLICT ("team_id", "day_second") DO UPDATE SET "micros" = days."micros" + EXCLUDED."micros";
  RETURN NULL;
END
$$;
-- Before the rows that are there are summed: until the end of this migration nobody adds one.
CREATE TRIGGER "transfers_add_to_token_days" AFTER INSERT ON "transfers"
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION "add_to_token_days"();

INSERT INTO "token_days" ("team_id", "day_second", "micros")
  SELECT "team_id", "second" - "second" % 86400 AS day, SUM("amount_micros") FROM "transfers"
  WHERE "code" IN ('token_usage', 'owed_usage') GROUP BY "team_id", day;

DROP INDEX "transfers_token_spending_idx";

-- A paper is numbered in the transaction of its payment, which also keeps whom it is made out to, as the team was then.
CREATE TABLE "papers" (
  -- Its kind and number: receipt/acme-000001.
  "id" TEXT NOT NULL,
  "team_id" TEXT NOT NULL,
  "kind" TEXT NOT NULL,
  "number" TEXT NOT NULL,
  "second" BIGINT NOT NULL,
  "recipient" JSONB NOT NULL,

  CONSTRAINT "papers_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "papers_team_id_fkey" FOREIGN KEY ("team_id") REFERENCES "teams"("id")
);

-- The file of a paper, drawn once: whoever asks for the paper later reads these bytes.
CREATE TABLE "paper_files" (
  "paper_id" TEXT NOT NULL,
  "content" BYTEA NOT NULL,
  "made_second" BIGINT NOT NULL,

  CONSTRAINT "paper_files_pkey" PRIMARY KEY ("paper_id"),
  CONSTRAINT "paper_files_paper_id_fkey" FOREIGN KEY ("paper_id") REFERENCES "papers"("id")
);

-- A PDF is compressed already.
ALTER TABLE "paper_files" ALTER COLUMN "content" SET STORAGE EXTERNAL;

CREATE TRIGGER "papers_append_only" BEFORE UPDATE OR DELETE ON "papers"
  FOR EACH ROW EXECUTE FUNCTION "refuse_change"();
CREATE TRIGGER "papers_never_truncated" BEFORE TRUNCATE ON "papers"
  FOR EACH STATEMENT EXECUTE FUNCTION "refuse_change"();
CREATE TRIGGER "paper_files_append_only" BEFORE UPDATE OR DELETE ON "paper_files"
  FOR EACH ROW EXECUTE FUNCTION "refuse_change"();
CREATE TRIGGER "paper_files_never_truncated" BEFORE TRUNCATE ON "paper_files"
  FOR EACH STATEMENT EXECUTE FUNCTION "refuse_change"();

-- Each payment of a crypto deposit has a receipt of its own. NULL: credited before, under the receipt of the whole deposit.
ALTER TABLE "crypto_receipts"
  ADD COLUMN "receipt_number" TEXT,
  -- What had arrived for the deposit with this payment.
  ADD COLUMN "total_micros" BIGINT;
CREATE UNIQUE INDEX "crypto_receipts_receipt_number_key" ON "crypto_receipts"("receipt_number");

-- Payments of deposits that have no receipt yet get theirs now, and numbers go on without a gap.
WITH "unnumbered" AS (
  SELECT "part"."transaction_hash", "part"."output", "part"."team_id",
    row_number() OVER "of_team" AS "nth",
    SUM("part"."amount_micros") OVER "of_deposit" AS "total"
  FROM "crypto_receipts" AS "part" JOIN "deposits" ON "deposits"."id" = "part"."deposit_id"
  WHERE "deposits"."receipt_number" IS NULL
  WINDOW "of_team" AS (PARTITION BY "part"."team_id" ORDER BY "part"."credited_second", "part"."transaction_hash", "part"."output"),
    "of_deposit" AS (PARTITION BY "part"."deposit_id" ORDER BY "part"."credited_second", "part"."transaction_hash", "part"."output")
)
UPDATE "crypto_receipts" AS "part" SET
  "total_micros" = "unnumbered"."total",
  "receipt_number" = "part"."team_id" || '-' ||
    CASE WHEN "accounts"."receipts" + "nth" < 1000000
      THEN lpad(("accounts"."receipts" + "nth")::TEXT, 6, '0') ELSE ("accounts"."receipts" + "nth")::TEXT END
FROM "unnumbered" JOIN "accounts" ON "accounts"."team_id" = "unnumbered"."team_id"
WHERE "part"."transaction_hash" = "unnumbered"."transaction_hash" AND "part"."output" = "unnumbered"."output";

UPDATE "accounts" SET "receipts" = "receipts" + "numbered"."count"
FROM (SELECT "team_id", COUNT(*) AS "count" FROM "crypto_receipts" WHERE "receipt_number" IS NOT NULL GROUP BY "team_id") AS "numbered"
WHERE "accounts"."team_id" = "numbered"."team_id";

UPDATE "deposits" SET "receipt_number" = "first"."receipt_number"
FROM (
  SELECT DISTINCT ON ("deposit_id") "deposit_id", "receipt_number" FROM "crypto_receipts"
  WHERE "receipt_number" IS NOT NULL ORDER BY "deposit_id", "credited_second", "transaction_hash", "output"
) AS "first"
WHERE "deposits"."id" = "first"."deposit_id" AND "deposits"."receipt_number" IS NULL;

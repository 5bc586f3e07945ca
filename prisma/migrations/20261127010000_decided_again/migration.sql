-- Disputes that are decided again and refunds that end otherwise later: what of each is posted, and how often it turned.

ALTER TABLE "disputes"
  -- Posted as lost, from credit or as owed, less what was given back.
  ADD COLUMN "taken_micros" BIGINT NOT NULL DEFAULT 0,
  -- Counts decisions and postings, so that each has a ledger reference of its own.
  ADD COLUMN "turn" INTEGER NOT NULL DEFAULT 0,
  -- The ledger row that took money last; a row that gives money back names it.
  ADD COLUMN "lost_reference" TEXT,
  ADD CONSTRAINT "disputes_taken_within" CHECK ("taken_micros" >= 0 AND "taken_micros" <= "amount_micros");

UPDATE "disputes" SET "turn" = 1 WHERE "status" <> 'open';
UPDATE "disputes" SET
  "lost_reference" = 'dispute/' || "id",
  "taken_micros" = (
    SELECT COALESCE(SUM("amount_micros"), 0) FROM "transfers"
    WHERE "reference" IN ('dispute/' || "disputes"."id", 'dispute/' || "disputes"."id" || '/owed')
  )
WHERE "status" = 'lost';
CREATE INDEX "disputes_deposit_id_idx" ON "disputes" ("deposit_id");

ALTER TABLE "refunds"
  -- Posted as refunded, from credit or as owed, less what came back.
  ADD COLUMN "taken_micros" BIGINT NOT NULL DEFAULT 0,
  -- Counts postings, so that each has a ledger reference of its own.
  ADD COLUMN "turn" INTEGER NOT NULL DEFAULT 1;

UPDATE "refunds" SET "taken_micros" = "amount_micros" WHERE "status" <> 'failed';
UPDATE "refunds" SET "turn" = 2 WHERE "status" = 'failed';
ALTER TABLE "refunds"
  ADD CONSTRAINT "refunds_taken_within" CHECK ("taken_micros" >= 0 AND "taken_micros" <= "amount_micros");

-- Crypto deposits, receipts, refunds, disputes, and the daily comparison with the providers.

ALTER TABLE "deposits"
  ADD COLUMN "copperx_session_id" TEXT UNIQUE,
  -- What was credited, where it can differ from what was asked for: crypto counts as received.
  ADD COLUMN "received_micros" BIGINT,
  ADD COLUMN "refunded_micros" BIGINT NOT NULL DEFAULT 0,
  ADD COLUMN "receipt_number" TEXT UNIQUE,
  -- Asked for with a Checkout page: its card is kept for later.
  ADD COLUMN "save_card" BOOLEAN NOT NULL DEFAULT false,
  ADD CONSTRAINT "deposits_refunded_within" CHECK (
    "refunded_micros" >= 0 AND "refunded_micros" <= COALESCE("received_micros", "amount_micros")
  );

-- Receipts of a team are numbered without a gap, under its row lock.
ALTER TABLE "accounts" ADD COLUMN "receipts" BIGINT NOT NULL DEFAULT 0;
-- Kept with the account, so that only a team that has some reads them with each of its facts.
ALTER TABLE "accounts" ADD COLUMN "open_disputes" INTEGER NOT NULL DEFAULT 0;

CREATE TABLE "crypto_receipts" (
  "transaction_hash" TEXT NOT NULL,
  "output" INTEGER NOT NULL,
  "chain" TEXT NOT NULL,
  "deposit_id" TEXT NOT NULL REFERENCES "deposits" ("id"),
  "team_id" TEXT NOT NULL REFERENCES "teams" ("id"),
  "currency" TEXT NOT NULL,
  "amount_micros" BIGINT NOT NULL,
  "credited_second" BIGINT NOT NULL,
  PRIMARY KEY ("transaction_hash", "output"),
  CONSTRAINT "crypto_receipts_amount_positive" CHECK ("amount_micros" > 0)
);
CREATE INDEX "crypto_receipts_deposit_id_idx" ON "crypto_receipts" ("deposit_id");

CREATE TABLE "refunds" (
  "id" TEXT PRIMARY KEY,
  "team_id" TEXT NOT NULL REFERENCES "teams" ("id"),
  "deposit_id" TEXT NOT NULL REFERENCES "deposits" ("id"),
  "amount_micros" BIGINT NOT NULL,
  "status" TEXT NOT NULL,
  -- operator: asked for here; provider: made at the provider, and found out.
  "origin" TEXT NOT NULL,
  "actor" TEXT NOT NULL,
  "stripe_refund_id" TEXT UNIQUE,
  "failure_code" TEXT,
  "opened_second" BIGINT NOT NULL,
  "closed_second" BIGINT,
  -- Of one order with the deposits, since they are one history.
  "opened_order" BIGINT NOT NULL DEFAULT nextval('deposits_opened_order_seq'),
  CONSTRAINT "refunds_amount_positive" CHECK ("amount_micros" > 0)
);
CREATE INDEX "refunds_team_id_opened_order_idx" ON "refunds" ("team_id", "opened_order" DESC);
CREATE INDEX "refunds_deposit_id_idx" ON "refunds" ("deposit_id");

CREATE TABLE "disputes" (
  "id" TEXT PRIMARY KEY,
  "team_id" TEXT NOT NULL REFERENCES "teams" ("id"),
  "deposit_id" TEXT NOT NULL REFERENCES "deposits" ("id"),
  "stripe_dispute_id" TEXT NOT NULL UNIQUE,
  -- What is contested, and how much of it is held back from the team's credit.
  "amount_micros" BIGINT NOT NULL,
  "held_micros" BIGINT NOT NULL,
  "reason" TEXT NOT NULL,
  "status" TEXT NOT NULL,
  "opened_second" BIGINT NOT NULL,
  "closed_second" BIGINT,
  "opened_order" BIGINT NOT NULL DEFAULT nextval('deposits_opened_order_seq'),
  CONSTRAINT "disputes_held_within" CHECK ("held_micros" >= 0 AND "held_micros" <= "amount_micros")
);
CREATE INDEX "disputes_team_id_opened_order_idx" ON "disputes" ("team_id", "opened_order" DESC);
CREATE INDEX "disputes_open_idx" ON "disputes" ("team_id") WHERE "status" = 'open';

-- One report a UTC day: the ledger against the providers, row by row.
CREATE TABLE "reconciliations" (
  "day" TEXT PRIMARY KEY,
  "made_second" BIGINT NOT NULL,
  "compared" INTEGER NOT NULL,
  "differences" INTEGER NOT NULL,
  "report" JSONB NOT NULL
);

-- What a day's comparison asks for, without reading the whole ledger.
CREATE INDEX "deposits_closed_second_idx" ON "deposits" ("closed_second");
CREATE INDEX "transfers_from_providers_idx" ON "transfers" ("second") WHERE "code" IN ('deposit', 'auto_top_up');
CREATE INDEX "transfers_deposit_id_idx" ON "transfers" ("deposit_id") WHERE "deposit_id" IS NOT NULL;

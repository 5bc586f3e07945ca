-- How a segment came to its rate; discounts, reservations, holds; spot instances that are to be reclaimed.

ALTER TABLE "accounts"
  ADD COLUMN "discount_basis_points" INTEGER,
  ADD COLUMN "discount_until_second" BIGINT,
  ADD COLUMN "volume_basis_points" INTEGER NOT NULL DEFAULT 0,
  -- Kept with the account, so that only a team that has some reads them with each of its facts.
  ADD COLUMN "running_reservations" INTEGER NOT NULL DEFAULT 0,
  ADD CONSTRAINT "discounts_are_parts" CHECK (
    "discount_basis_points" BETWEEN 0 AND 10000 AND "volume_basis_points" BETWEEN 0 AND 10000
  );

-- Whatever ran before there was a price list was charged what the platform gave.
ALTER TABLE "segments"
  ADD COLUMN "list_micros_per_hour" BIGINT,
  ADD COLUMN "given" BOOLEAN,
  ADD COLUMN "discount_basis_points" INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN "discount_kind" TEXT,
  ADD COLUMN "covered_by" TEXT;
UPDATE "segments" SET "list_micros_per_hour" = "rate_micros_per_hour", "given" = true;
ALTER TABLE "segments"
  ALTER COLUMN "list_micros_per_hour" SET NOT NULL,
  ALTER COLUMN "given" SET NOT NULL,
  ADD CONSTRAINT "segments_one_discount" CHECK (("discount_basis_points" = 0) = ("discount_kind" IS NULL)),
  ADD CONSTRAINT "segments_covered_are_free" CHECK ("covered_by" IS NULL OR "rate_micros_per_hour" = 0);
-- What a team has spent in the last 30 days, without reading what ended before.
CREATE INDEX "segments_ended_idx" ON "segments" ("team_id", "end_second") WHERE "end_second" IS NOT NULL;

ALTER TABLE "instances" ADD COLUMN "reclaim_second" BIGINT;
ALTER TABLE "transfers" ADD COLUMN "reservation_id" TEXT;
CREATE INDEX "transfers_reservation_id_idx" ON "transfers" ("reservation_id") WHERE "reservation_id" IS NOT NULL;

CREATE TABLE "discounts" (
  "id" UUID PRIMARY KEY,
  "team_id" TEXT NOT NULL REFERENCES "teams" ("id"),
  "basis_points" INTEGER NOT NULL,
  "until_second" BIGINT,
  "note" TEXT NOT NULL,
  "actor" TEXT NOT NULL,
  "second" BIGINT NOT NULL,
  CONSTRAINT "discounts_basis_points_a_part" CHECK ("basis_points" BETWEEN 0 AND 10000)
);
CREATE INDEX "discounts_team_id_second_idx" ON "discounts" ("team_id", "second");
CREATE TRIGGER "discounts_append_only" BEFORE UPDATE OR DELETE ON "discounts"
  FOR EACH ROW EXECUTE FUNCTION "refuse_change"();
CREATE TRIGGER "discounts_never_truncated" BEFORE TRUNCATE ON "discounts"
  FOR EACH STATEMENT EXECUTE FUNCTION "refuse_change"();

CREATE TABLE "reservations" (
  "id" TEXT PRIMARY KEY,
  "team_id" TEXT NOT NULL REFERENCES "teams" ("id"),
  "gpu_type" TEXT NOT NULL,
  "region" TEXT NOT NULL,
  "count" INTEGER NOT NULL,
  "term" TEXT NOT NULL,
  "renew" BOOLEAN NOT NULL,
  "start_second" BIGINT NOT NULL,
  "ended_second" BIGINT,
  "ended_how" TEXT,
  CONSTRAINT "reservations_count_positive" CHECK ("count" > 0),
  CONSTRAINT "reservations_end_has_reason" CHECK (("ended_second" IS NULL) = ("ended_how" IS NULL))
);
CREATE INDEX "reservations_team_id_start_second_id_idx" ON "reservations" ("team_id", "start_second" DESC, "id" DESC);

CREATE TABLE "reservation_terms" (
  "reservation_id" TEXT NOT NULL REFERENCES "reservations" ("id"),
  "term_number" INTEGER NOT NULL,
  "team_id" TEXT NOT NULL,
  "rate_micros_per_hour" BIGINT NOT NULL,
  "start_second" BIGINT NOT NULL,
  "end_second" BIGINT NOT NULL,
  "closed_second" BIGINT,
  "posted_micros" BIGINT NOT NULL,
  PRIMARY KEY ("reservation_id", "term_number"),
  CONSTRAINT "reservation_terms_rate_not_negative" CHECK ("rate_micros_per_hour" >= 0),
  CONSTRAINT "reservation_terms_posted_not_negative" CHECK ("posted_micros" >= 0),
  CONSTRAINT "reservation_terms_closed_within" CHECK ("closed_second" BETWEEN "start_second" AND "end_second")
);
CREATE INDEX "reservation_terms_team_id_idx" ON "reservation_terms" ("team_id", "closed_second");
-- A reservation has one running term at the most.
CREATE UNIQUE INDEX "reservation_terms_one_running_idx" ON "reservation_terms" ("reservation_id") WHERE "closed_second" IS NULL;

CREATE TABLE "holds" (
  "id" TEXT PRIMARY KEY,
  "team_id" TEXT NOT NULL REFERENCES "teams" ("id"),
  "model" TEXT NOT NULL,
  "max_input_tokens" BIGINT NOT NULL,
  "max_output_tokens" BIGINT NOT NULL,
  "amount_micros" BIGINT NOT NULL,
  "placed_second" BIGINT NOT NULL,
  "expires_second" BIGINT NOT NULL,
  "status" TEXT NOT NULL,
  "closed_second" BIGINT,
  "settled_by" TEXT,
  CONSTRAINT "holds_amount_not_negative" CHECK ("amount_micros" >= 0),
  CONSTRAINT "holds_expire_later" CHECK ("expires_second" > "placed_second"),
  CONSTRAINT "holds_end_once" CHECK (("status" = 'pending') = ("closed_second" IS NULL))
);
CREATE INDEX "holds_team_id_placed_second_id_idx" ON "holds" ("team_id", "placed_second" DESC, "id" DESC);
-- What is still held, without reading what has ended.
CREATE INDEX "holds_pending_idx" ON "holds" ("team_id", "expires_second") WHERE "status" = 'pending';

-- Money is whole micro-dollars, times are whole UTC seconds since 1970 (both BIGINT). No default asks for the time:
-- every second is passed in by the one who knows the fact's.

CREATE TABLE "teams" (
  "id" TEXT PRIMARY KEY,
  "name" TEXT NOT NULL,
  "email" TEXT NOT NULL,
  "stripe_customer_id" TEXT UNIQUE,
  "created_second" BIGINT NOT NULL
);

CREATE TABLE "accounts" (
  "team_id" TEXT PRIMARY KEY REFERENCES "teams" ("id"),
  "as_of_second" BIGINT NOT NULL,
  "posted_micros" BIGINT NOT NULL,
  "held_micros" BIGINT NOT NULL,
  "owed_micros" BIGINT NOT NULL,
  "remainder_millionths" BIGINT NOT NULL,
  "policy_enabled" BOOLEAN NOT NULL,
  "policy_threshold_micros" BIGINT,
  "policy_amount_micros" BIGINT,
  "policy_payment_method_id" TEXT,
  "policy_monthly_cap_micros" BIGINT,
  "policy_disabled_reason" TEXT,
  "attempts" BIGINT NOT NULL,
  "attempt_deposit_id" TEXT,
  "attempt_opened_second" BIGINT,
  "attempt_amount_micros" BIGINT,
  "last_attempt_second" BIGINT,
  "topped_up_month_second" BIGINT NOT NULL,
  "topped_up_micros" BIGINT NOT NULL,
  "stands_at_second" BIGINT,
  "exhaustions" BIGINT NOT NULL,
  "low_armed" BOOLEAN NOT NULL,
  -- The last line of defence: whatever a bug computes, credit never goes below zero by a micro.
  CONSTRAINT "credit_never_negative" CHECK ("posted_micros" >= 0 AND "posted_micros" >= "held_micros"),
  CONSTRAINT "amounts_not_negative" CHECK ("held_micros" >= 0 AND "owed_micros" >= 0 AND "topped_up_micros" >= 0),
  CONSTRAINT "remainder_below_a_micro" CHECK ("remainder_millionths" BETWEEN 0 AND 999999),
  CONSTRAINT "attempt_whole_or_absent" CHECK (
    num_nulls("attempt_deposit_id", "attempt_opened_second", "attempt_amount_micros") IN (0, 3)
  ),
  CONSTRAINT "stands_only_for_a_charge" CHECK ("stands_at_second" IS NULL OR "attempt_deposit_id" IS NOT NULL)
);

CREATE TABLE "transfers" (
  "id" UUID PRIMARY KEY,
  "team_id" TEXT NOT NULL,
  "debit_account" TEXT NOT NULL,
  "credit_account" TEXT NOT NULL,
  "amount_micros" BIGINT NOT NULL,
  "code" TEXT NOT NULL,
  "reference" TEXT NOT NULL,
  "second" BIGINT NOT NULL,
  "instance_id" TEXT,
  "deposit_id" TEXT,
  "corrects_reference" TEXT,
  "caused_by" TEXT NOT NULL,
  CONSTRAINT "transfers_amount_positive" CHECK ("amount_micros" > 0),
  CONSTRAINT "transfers_between_two_accounts" CHECK ("debit_account" <> "credit_account")
);
CREATE UNIQUE INDEX "transfers_reference_key" ON "transfers" ("reference");
CREATE INDEX "transfers_team_id_second_id_idx" ON "transfers" ("team_id", "second" DESC, "id" DESC);
CREATE INDEX "transfers_instance_id_idx" ON "transfers" ("instance_id") WHERE "instance_id" IS NOT NULL;

CREATE TABLE "instances" (
  "id" TEXT PRIMARY KEY,
  "team_id" TEXT NOT NULL REFERENCES "teams" ("id"),
  "project" TEXT,
  "gpu_type" TEXT NOT NULL,
  "region" TEXT NOT NULL,
  "pricing" TEXT NOT NULL,
  "hourly_micros" BIGINT,
  "shed_order" INTEGER,
  "request_hash" TEXT NOT NULL,
  "start_second" BIGINT NOT NULL,
  "end_second" BIGINT,
  "reason" TEXT,
  "exhaustion" BIGINT,
  "resumed_from" TEXT,
  "terminated_confirmed_second" BIGINT,
  CONSTRAINT "instances_end_after_start" CHECK ("end_second" >= "start_second"),
  CONSTRAINT "instances_end_has_reason" CHECK (("end_second" IS NULL) = ("reason" IS NULL))
);
CREATE INDEX "instances_team_id_start_second_id_idx" ON "instances" ("team_id", "start_second" DESC, "id" DESC);

CREATE TABLE "segments" (
  "instance_id" TEXT NOT NULL REFERENCES "instances" ("id"),
  "segment" INTEGER NOT NULL,
  "team_id" TEXT NOT NULL,
  "rate_micros_per_hour" BIGINT NOT NULL,
  "start_second" BIGINT NOT NULL,
  "end_second" BIGINT,
  "posted_micros" BIGINT NOT NULL,
  PRIMARY KEY ("instance_id", "segment"),
  CONSTRAINT "segments_rate_not_negative" CHECK ("rate_micros_per_hour" >= 0),
  CONSTRAINT "segments_posted_not_negative" CHECK ("posted_micros" >= 0),
  CONSTRAINT "segments_end_after_start" CHECK ("end_second" >= "start_second")
);
-- A team's running meters, found without reading those that have ended.
CREATE INDEX "segments_running_idx" ON "segments" ("team_id") WHERE "end_second" IS NULL;
-- An instance has one running segment at the most.
CREATE UNIQUE INDEX "segments_one_running_idx" ON "segments" ("instance_id") WHERE "end_second" IS NULL;

CREATE TABLE "abandoned_calls" (
  "call_id" TEXT PRIMARY KEY,
  "second" BIGINT NOT NULL
);

CREATE TABLE "deposits" (
  "id" TEXT PRIMARY KEY,
  "team_id" TEXT NOT NULL REFERENCES "teams" ("id"),
  "kind" TEXT NOT NULL,
  "method" TEXT NOT NULL,
  "label" TEXT NOT NULL,
  "amount_micros" BIGINT NOT NULL,
  "status" TEXT NOT NULL,
  "attempt" BIGINT,
  "opened_second" BIGINT NOT NULL,
  "closed_second" BIGINT,
  "payment_method_id" TEXT,
  "stripe_intent_id" TEXT UNIQUE,
  "stripe_session_id" TEXT UNIQUE,
  "checkout_url" TEXT,
  "failure_code" TEXT,
  "receipt_url" TEXT,
  "card_brand" TEXT,
  "card_last4" TEXT,
  CONSTRAINT "deposits_amount_positive" CHECK ("amount_micros" > 0)
);
CREATE INDEX "deposits_team_id_opened_second_id_idx" ON "deposits" ("team_id", "opened_second" DESC, "id" DESC);
-- An attempt's number is unique per team and never reused.
CREATE UNIQUE INDEX "deposits_attempt_idx" ON "deposits" ("team_id", "attempt") WHERE "attempt" IS NOT NULL;

CREATE TABLE "grants" (
  "id" TEXT PRIMARY KEY,
  "team_id" TEXT NOT NULL REFERENCES "teams" ("id"),
  "amount_micros" BIGINT NOT NULL,
  "note" TEXT NOT NULL,
  "second" BIGINT NOT NULL,
  CONSTRAINT "grants_amount_positive" CHECK ("amount_micros" > 0)
);

CREATE TABLE "payment_methods" (
  "id" TEXT PRIMARY KEY,
  "team_id" TEXT NOT NULL REFERENCES "teams" ("id"),
  "stripe_payment_method_id" TEXT NOT NULL UNIQUE,
  "brand" TEXT NOT NULL,
  "last4" TEXT NOT NULL,
  "exp_month" INTEGER NOT NULL,
  "exp_year" INTEGER NOT NULL,
  "fingerprint" TEXT,
  "is_default" BOOLEAN NOT NULL,
  "created_second" BIGINT NOT NULL,
  "removed_second" BIGINT
);
CREATE INDEX "payment_methods_team_id_idx" ON "payment_methods" ("team_id");
CREATE UNIQUE INDEX "payment_methods_one_default_idx" ON "payment_methods" ("team_id") WHERE "is_default";

CREATE TABLE "consents" (
  "id" UUID PRIMARY KEY,
  "team_id" TEXT NOT NULL REFERENCES "teams" ("id"),
  "second" BIGINT NOT NULL,
  "actor" TEXT NOT NULL,
  "cause" TEXT NOT NULL,
  "old_policy" JSONB,
  "new_policy" JSONB NOT NULL
);
CREATE INDEX "consents_team_id_second_idx" ON "consents" ("team_id", "second");

CREATE TABLE "exhaustions" (
  "team_id" TEXT NOT NULL REFERENCES "teams" ("id"),
  "number" BIGINT NOT NULL,
  "second" BIGINT NOT NULL,
  "instance_ids" TEXT[] NOT NULL,
  "announced" BOOLEAN NOT NULL,
  PRIMARY KEY ("team_id", "number")
);
CREATE INDEX "exhaustions_unannounced_idx" ON "exhaustions" ("team_id") WHERE NOT "announced";

CREATE TABLE "notices" (
  "id" TEXT PRIMARY KEY,
  "team_id" TEXT NOT NULL REFERENCES "teams" ("id"),
  "kind" TEXT NOT NULL,
  "channel" TEXT NOT NULL,
  "second" BIGINT NOT NULL,
  "data" JSONB NOT NULL,
  "handed_on" BOOLEAN NOT NULL,
  "sent_second" BIGINT
);
CREATE INDEX "notices_team_id_second_idx" ON "notices" ("team_id", "second");
CREATE INDEX "notices_not_handed_on_idx" ON "notices" ("team_id") WHERE NOT "handed_on";

CREATE TABLE "usage_events" (
  "team_id" TEXT NOT NULL REFERENCES "teams" ("id"),
  "event_id" TEXT NOT NULL,
  "body_hash" TEXT NOT NULL,
  "model" TEXT NOT NULL,
  "project" TEXT,
  "input_tokens" BIGINT NOT NULL,
  "output_tokens" BIGINT NOT NULL,
  "cost" DECIMAL(40,0) NOT NULL,
  "second" BIGINT NOT NULL,
  PRIMARY KEY ("team_id", "event_id")
);

CREATE TABLE "api_keys" (
  "id" TEXT PRIMARY KEY,
  "team_id" TEXT NOT NULL REFERENCES "teams" ("id"),
  "name" TEXT,
  "hash" TEXT NOT NULL UNIQUE,
  "scopes" TEXT[] NOT NULL,
  "hint" TEXT NOT NULL,
  "created_second" BIGINT NOT NULL,
  "revoked_second" BIGINT
);
CREATE INDEX "api_keys_team_id_idx" ON "api_keys" ("team_id");

CREATE TABLE "idempotent_calls" (
  "scope" TEXT NOT NULL,
  "path" TEXT NOT NULL,
  "key" TEXT NOT NULL,
  "request_hash" TEXT NOT NULL,
  "status" INTEGER,
  "body" TEXT,
  "created_second" BIGINT NOT NULL,
  PRIMARY KEY ("scope", "path", "key")
);

CREATE TABLE "provider_events" (
  "id" TEXT PRIMARY KEY,
  "provider" TEXT NOT NULL,
  "type" TEXT NOT NULL,
  "received_second" BIGINT NOT NULL
);

-- Append only: the ledger and the consents answer a mistake with another row.
CREATE FUNCTION "refuse_change"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'rows of % are never changed or deleted: write another row', TG_TABLE_NAME
    USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER "transfers_append_only" BEFORE UPDATE OR DELETE ON "transfers"
  FOR EACH ROW EXECUTE FUNCTION "refuse_change"();
CREATE TRIGGER "transfers_never_truncated" BEFORE TRUNCATE ON "transfers"
  FOR EACH STATEMENT EXECUTE FUNCTION "refuse_change"();
CREATE TRIGGER "consents_append_only" BEFORE UPDATE OR DELETE ON "consents"
  FOR EACH ROW EXECUTE FUNCTION "refuse_change"();
CREATE TRIGGER "consents_never_truncated" BEFORE TRUNCATE ON "consents"
  FOR EACH STATEMENT EXECUTE FUNCTION "refuse_change"();

-- Every balance, summed from the transfers: credits less debits. A team's stored balance must equal its own.
CREATE VIEW "balances" AS
  SELECT "account", SUM("amount")::BIGINT AS "balance_micros"
  FROM (
    SELECT "credit_account" AS "account", "amount_micros" AS "amount" FROM "transfers"
    UNION ALL
    SELECT "debit_account", -"amount_micros" FROM "transfers"
  ) AS "movements"
  GROUP BY "account";

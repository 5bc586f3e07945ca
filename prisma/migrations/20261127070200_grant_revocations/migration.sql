-- A grant that was given by mistake is answered by a row of its own; the grant's row stays as it is.
CREATE TABLE "grant_revocations" (
  "grant_id" TEXT PRIMARY KEY REFERENCES "grants" ("id"),
  "team_id" TEXT NOT NULL REFERENCES "teams" ("id"),
  "second" BIGINT NOT NULL,
  "note" TEXT,
  -- What was taken from credit; the rest of the grant became owed.
  "credit_micros" BIGINT NOT NULL,
  CONSTRAINT "grant_revocations_credit_not_negative" CHECK ("credit_micros" >= 0)
);
CREATE TRIGGER "grant_revocations_append_only" BEFORE UPDATE OR DELETE ON "grant_revocations"
  FOR EACH ROW EXECUTE FUNCTION "refuse_change"();
CREATE TRIGGER "grant_revocations_never_truncated" BEFORE TRUNCATE ON "grant_revocations"
  FOR EACH STATEMENT EXECUTE FUNCTION "refuse_change"();
CREATE INDEX "grants_team_id_second_id_idx" ON "grants" ("team_id", "second" DESC, "id" DESC);

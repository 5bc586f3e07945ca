-- What a team wants on its papers. Each change is a row with its version; the latest is in force.
CREATE TABLE "billing_details" (
  "id" UUID NOT NULL,
  "team_id" TEXT NOT NULL,
  "version" BIGINT NOT NULL,
  "company" TEXT,
  "address" TEXT,
  "tax_id" TEXT,
  "reference" TEXT,
  "email" TEXT,
  "second" BIGINT NOT NULL,
  -- A key by its id, or the platform.
  "actor" TEXT NOT NULL,

  CONSTRAINT "billing_details_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "billing_details_team_id_fkey" FOREIGN KEY ("team_id") REFERENCES "teams"("id"),
  CONSTRAINT "billing_details_version" CHECK ("version" > 0)
);
CREATE UNIQUE INDEX "billing_details_team_id_version_key" ON "billing_details"("team_id", "version");

CREATE TRIGGER "billing_details_append_only" BEFORE UPDATE OR DELETE ON "billing_details"
  FOR EACH ROW EXECUTE FUNCTION "refuse_change"();
CREATE TRIGGER "billing_details_never_truncated" BEFORE TRUNCATE ON "billing_details"
  FOR EACH STATEMENT EXECUTE FUNCTION "refuse_change"();

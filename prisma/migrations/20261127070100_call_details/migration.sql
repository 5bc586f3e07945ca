-- What a caller adds to an instance or a deposit: metadata, and where a person returns to. Rows are named by the digest of
-- their content, so that workflows carry the digest only, and the same content is one row.
CREATE TABLE "call_details" (
  "hash" TEXT PRIMARY KEY,
  "details" JSONB NOT NULL
);
ALTER TABLE "instances" ADD COLUMN "details_hash" TEXT REFERENCES "call_details" ("hash");
ALTER TABLE "deposits" ADD COLUMN "details_hash" TEXT REFERENCES "call_details" ("hash");

-- What the caller asked, so that a repeat under the same id can be told from another request.
ALTER TABLE "deposits" ADD COLUMN "request_hash" TEXT;
ALTER TABLE "refunds" ADD COLUMN "request_hash" TEXT;

ALTER TABLE "teams" ADD COLUMN "metadata" JSONB NOT NULL DEFAULT '{}';
ALTER TABLE "grants" ADD COLUMN "metadata" JSONB NOT NULL DEFAULT '{}';

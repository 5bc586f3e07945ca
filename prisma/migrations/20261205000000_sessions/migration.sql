-- The sessions of people in the dashboard. A row begins as a one-time link and becomes a session when the link is
-- exchanged. Both secrets are stored as digests only.
CREATE TABLE "sessions" (
  "id" TEXT PRIMARY KEY,
  -- The team whose pages the person sees; null for an operator.
  "team_id" TEXT REFERENCES "teams" ("id"),
  "role" TEXT NOT NULL CHECK ("role" IN ('viewer', 'billing', 'operator')),
  "user_id" TEXT NOT NULL,
  "user_name" TEXT NOT NULL,
  "user_email" TEXT NOT NULL,
  "link_hash" TEXT NOT NULL UNIQUE,
  "link_expires_second" BIGINT NOT NULL,
  "created_second" BIGINT NOT NULL,
  -- Null until the link is exchanged.
  "hash" TEXT UNIQUE,
  "started_second" BIGINT,
  "expires_second" BIGINT,
  "ended_second" BIGINT,
  CHECK (("role" = 'operator') = ("team_id" IS NULL)),
  CHECK (("hash" IS NULL) = ("started_second" IS NULL) AND ("hash" IS NULL) = ("expires_second" IS NULL))
);
CREATE INDEX "sessions_user_idx" ON "sessions" ("team_id", "user_id") WHERE "ended_second" IS NULL;
CREATE INDEX "sessions_created_idx" ON "sessions" ("created_second");

-- The last use of a key, to the minute.
ALTER TABLE "api_keys" ADD COLUMN "last_used_second" BIGINT;

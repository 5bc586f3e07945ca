-- A notice is claimed before it is sent, so that a database that takes no writes stops the sending and not only the mark.
-- A refusal that no retry can change is kept beside it, so that the notice can be found and sent again.
ALTER TABLE "notices"
  ADD COLUMN "claimed_second" BIGINT,
  ADD COLUMN "refused_second" BIGINT,
  ADD COLUMN "refusal" TEXT;

CREATE INDEX "notices_refused_idx" ON "notices" ("team_id") WHERE "refused_second" IS NOT NULL;

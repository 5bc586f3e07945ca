-- The second of the last heartbeat of a call under way. Until now, "body" held this second as long as the call had no answer.
ALTER TABLE "idempotent_calls" ADD COLUMN "claimed_second" BIGINT;
UPDATE "idempotent_calls" SET "claimed_second" = "body"::bigint, "body" = NULL WHERE "status" IS NULL AND "body" IS NOT NULL;
ALTER TABLE "idempotent_calls" ADD CONSTRAINT "idempotent_calls_answered_with_body" CHECK ("status" IS NULL OR "body" IS NOT NULL);

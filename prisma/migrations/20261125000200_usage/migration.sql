-- Usage is posted a batch at a time: one transfer a team and flush, and each event keeps what it added to it.

ALTER TABLE "usage_events"
  -- As the caller gave it; NULL: the second of receipt.
  ADD COLUMN "at_second" BIGINT,
  ADD COLUMN "hold_id" TEXT,
  -- What it posted, the team's carried remainder included: the sum over a flush is the sum of its transfers.
  ADD COLUMN "charge_micros" BIGINT,
  -- The first event that was accepted with it: the transfer's reference is usage/{team}/{that event}.
  ADD COLUMN "charged_with" TEXT,
  -- The columns themselves are compared.
  DROP COLUMN "body_hash";

-- Until now each event had a transfer of its own.
UPDATE "usage_events" AS "event" SET
  "charged_with" = "event_id",
  "charge_micros" = COALESCE(
    (
      SELECT SUM("amount_micros") FROM "transfers"
      WHERE "reference" IN (
        'usage/' || "event"."team_id" || '/' || "event"."event_id",
        'usage/' || "event"."team_id" || '/' || "event"."event_id" || '/owed'
      )
    ),
    0
  );

ALTER TABLE "usage_events"
  ALTER COLUMN "charge_micros" SET NOT NULL,
  ALTER COLUMN "charged_with" SET NOT NULL,
  -- Half of what an insert costs. Events are written with the team's account, which names its team.
  DROP CONSTRAINT "usage_events_team_id_fkey";

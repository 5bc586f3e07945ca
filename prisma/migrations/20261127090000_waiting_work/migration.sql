-- Gauges count work that waits for a neighbour. Each index holds only the rows that wait.
CREATE INDEX "notices_unsent_idx" ON "notices" ("channel", "second") WHERE "sent_second" IS NULL;
CREATE INDEX "instances_stop_unconfirmed_idx" ON "instances" ("end_second")
  WHERE "end_second" IS NOT NULL AND "terminated_confirmed_second" IS NULL AND "reason" <> 'stopped';
CREATE INDEX "deposits_open_idx" ON "deposits" ("kind", "opened_second") WHERE "status" IN ('pending', 'requires_action');
CREATE INDEX "refunds_open_idx" ON "refunds" ("opened_second") WHERE "status" = 'pending';

-- One row, written by each readiness check: a database that only answers reads is not ready.
CREATE TABLE "readiness" (
  "id" INTEGER PRIMARY KEY CHECK ("id" = 1),
  "second" BIGINT NOT NULL
);

-- How many of a row's instances have had their workflows signalled, in the order of "instance_ids": the watch signals a
-- limited number at a time, and a retry goes on after the last signalled instance.
ALTER TABLE "exhaustions" ADD COLUMN "signalled" INTEGER NOT NULL DEFAULT 0;
ALTER TABLE "team_stops" ADD COLUMN "signalled" INTEGER NOT NULL DEFAULT 0;

-- The second until which the team's watch sleeps after its last look; null when it sets no timer.
ALTER TABLE accounts ADD COLUMN planned_look_second bigint;
CREATE INDEX accounts_planned_look ON accounts (planned_look_second) WHERE planned_look_second IS NOT NULL;

-- Charges in flight, for the sweeper.
CREATE INDEX accounts_attempt_opened ON accounts (attempt_opened_second) WHERE attempt_deposit_id IS NOT NULL;

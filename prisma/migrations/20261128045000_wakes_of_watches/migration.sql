-- The second of the last look of the team's watch. A further wake within it asks for a look a second later.
ALTER TABLE accounts ADD COLUMN last_look_second bigint;

-- The second in which a call undertook to wake the watch for the facts that it has not looked at. The look clears it.
ALTER TABLE accounts ADD COLUMN woken_second bigint;

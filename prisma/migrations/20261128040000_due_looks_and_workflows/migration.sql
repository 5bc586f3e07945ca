-- The second of the first fact that the team's watch has not looked at. The watch's look clears it.
ALTER TABLE accounts ADD COLUMN look_due_second bigint;
CREATE INDEX accounts_look_due ON accounts (look_due_second) WHERE look_due_second IS NOT NULL;

-- The second of the start or the end that the instance's workflow has not seen. The workflow's settlement clears it.
ALTER TABLE instances ADD COLUMN workflow_due_second bigint;
CREATE INDEX instances_workflow_due ON instances (team_id, workflow_due_second) WHERE workflow_due_second IS NOT NULL;

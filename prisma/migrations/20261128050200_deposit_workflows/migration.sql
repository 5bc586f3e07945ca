-- The second of a deposit that its workflow has not seen. The workflow's first look clears it.
ALTER TABLE deposits ADD COLUMN workflow_due_second bigint;
CREATE INDEX deposits_workflow_due ON deposits (team_id, workflow_due_second) WHERE workflow_due_second IS NOT NULL;

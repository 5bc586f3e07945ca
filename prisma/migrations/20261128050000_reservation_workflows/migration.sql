-- The second of the beginning or the change that the reservation's workflow has not seen. The workflow's settlement clears it.
ALTER TABLE reservations ADD COLUMN workflow_due_second bigint;
CREATE INDEX reservations_workflow_due ON reservations (team_id, workflow_due_second) WHERE workflow_due_second IS NOT NULL;

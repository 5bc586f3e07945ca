-- The second of a refund that its workflow has not seen. The workflow's first look clears it.
ALTER TABLE refunds ADD COLUMN workflow_due_second bigint;
CREATE INDEX refunds_workflow_due ON refunds (team_id, workflow_due_second) WHERE workflow_due_second IS NOT NULL;

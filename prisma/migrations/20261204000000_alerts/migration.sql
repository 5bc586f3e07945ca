-- The team's low-balance levels, budgets and burn limit with their state: one value, because each fact of a team with
-- budgets reads and writes all of them. Null: nobody has set any (docs/decisions/0040-alerts-are-a-part-of-the-account.md).
ALTER TABLE accounts ADD COLUMN alerts jsonb CHECK (jsonb_typeof(alerts) = 'object');

-- The project of the request, for its budgets.
ALTER TABLE holds ADD COLUMN project text;

-- What a team's tokens cost in the last 30 days is summed from the index alone, whatever else stands in the ledger.
CREATE INDEX "transfers_token_spending_idx" ON "transfers" ("team_id", "second") INCLUDE ("amount_micros")
  WHERE "code" IN ('token_usage', 'owed_usage');

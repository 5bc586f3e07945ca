CREATE INDEX "teams_created_second_id_idx" ON "teams" ("created_second" DESC, "id" DESC);
CREATE INDEX "deposits_opened_order_idx" ON "deposits" ("opened_order" DESC);
CREATE INDEX "deposits_status_opened_order_idx" ON "deposits" ("status", "opened_order" DESC);
CREATE INDEX "deposits_opened_second_idx" ON "deposits" ("opened_second");

-- What a search looks through: lower case is made here and not by the server, whose rules depend on its locale.
ALTER TABLE "teams" ADD COLUMN "search_text" TEXT NOT NULL DEFAULT '';
UPDATE "teams" SET "search_text" = lower("id" || E'\n' || "name" || E'\n' || "email");

-- A part of the text is found by its trigrams. Where the extension cannot be created, a search reads every team: slower,
-- and the same answer.
DO $$
BEGIN
  CREATE EXTENSION IF NOT EXISTS pg_trgm;
  CREATE INDEX "teams_search_idx" ON "teams" USING gin ("search_text" gin_trgm_ops);
EXCEPTION
  WHEN insufficient_privilege OR feature_not_supported OR undefined_file OR undefined_object THEN
    RAISE NOTICE 'teams are searched without an index: pg_trgm cannot be created (%)', SQLERRM;
END
$$;

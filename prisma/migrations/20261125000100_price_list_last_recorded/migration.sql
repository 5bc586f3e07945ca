-- When a price was last changed, which each change asks under its lock, however long the price's past.
CREATE INDEX "gpu_prices_last_recorded_idx" ON "gpu_prices" ("gpu_type", "region", "recorded_second" DESC);
CREATE INDEX "model_prices_last_recorded_idx" ON "model_prices" ("model", "recorded_second" DESC);

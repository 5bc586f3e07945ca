-- What was asked, so that a repeat can be told from another reservation with the same id.
ALTER TABLE "reservations" ADD COLUMN "request_hash" TEXT NOT NULL DEFAULT '';
ALTER TABLE "reservations" ALTER COLUMN "request_hash" DROP DEFAULT;

-- Who has reserved at a price that is to be changed.
CREATE INDEX "reservations_gpu_type_region_idx" ON "reservations" ("gpu_type", "region");

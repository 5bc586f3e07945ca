-- Of usage of one model, or for one project: which. NULL: of several, or from before it was kept.
ALTER TABLE "transfers" ADD COLUMN "model" TEXT, ADD COLUMN "project" TEXT;

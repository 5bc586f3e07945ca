-- The name and the address that the card provider's customer was last given. Null: not known, so they are copied again.
ALTER TABLE "teams" ADD COLUMN "stripe_customer_name" TEXT;
ALTER TABLE "teams" ADD COLUMN "stripe_customer_email" TEXT;

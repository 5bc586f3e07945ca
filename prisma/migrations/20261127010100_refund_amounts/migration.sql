-- A refund keeps the amount that was asked for; the provider's own amount can differ from it, and is what is taken.

ALTER TABLE "refunds" DROP CONSTRAINT "refunds_taken_within";
ALTER TABLE "refunds" ADD CONSTRAINT "refunds_taken_not_negative" CHECK ("taken_micros" >= 0);

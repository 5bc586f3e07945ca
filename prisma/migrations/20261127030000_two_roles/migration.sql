-- The runtime role inserts into "transfers" and may not write "token_days" itself: the trigger writes it as the owner of
-- the function. A fixed search path keeps a temporary table of the caller from taking the place of the real one.
DO $$
BEGIN
  EXECUTE format(
    'ALTER FUNCTION %1$I.add_to_token_days() SECURITY DEFINER SET search_path = %1$I, pg_temp',
    current_schema()
  );
END
$$;

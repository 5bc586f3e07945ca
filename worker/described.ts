/** Errors in the logs of the api and of the worker. */

/** What a database or a provider says of an error may quote what it was given. */
const scrub = (text: string | undefined): string | undefined =>
  text?.replace(/[\w.+-]+@[\w-]+(\.[\w-]+)+/g, '[address]').replace(/\b(bk|sk|rk|whsec)_[\w-]+/g, '[secret]');

/** An error as a log line holds it: what it is, where it comes from, and of its words no address and no secret. */
export function describeError(error: unknown): object {
  if (!(error instanceof Error)) return { message: scrub(String(error)) };
  const { name, message, stack, cause } = error;
  const { code } = error as { code?: unknown };
  return {
    name,
    ...(code !== undefined && { code }),
    message: scrub(message),
    stack: scrub(stack),
    ...(cause !== undefined && { cause: describeError(cause) }),
  };
}

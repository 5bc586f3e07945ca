/** Errors in the logs of the api and of the worker. */

/** An error message of a database or a provider may quote the values of a statement or call. */
const scrub = (text: string | undefined): string | undefined =>
  text?.replace(/[\w.+-]+@[\w-]+(\.[\w-]+)+/g, '[address]').replace(/\b(bk|sk|rk|whsec)_[\w-]+/g, '[secret]');

/** An error for a log line: type, place, and message without addresses and secrets. */
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

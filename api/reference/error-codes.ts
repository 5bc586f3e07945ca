/** Each error code with its meaning, its remedy for callers, and an example. The OpenAPI document lists all codes. */
import type { FailureCode } from '../../billing/errors.ts';
import { inSentences, paymentFailureWords } from '../../billing/failure-words.ts';

export interface ErrorCode {
  meaning: string;
  whatToDo: string;
  /** The message of the example, in the service's words. */
  message: string;
  /** The argument of the example. */
  param?: string;
  /** Further fields of the error. */
  details?: Record<string, string>;
}

export const ERROR_CODES: Record<FailureCode, ErrorCode> = {
  invalid_request: {
    meaning: 'The request is not valid. `param` names the first invalid argument, and `errors` lists all of them.',
    whatToDo: 'Correct the request. The same request is refused again.',
    message: 'name is required',
    param: 'name',
  },
  invalid_amount: {
    meaning: 'An amount cannot be read as money.',
    whatToDo: 'Send a decimal string of dollars with up to six places.',
    message: 'amount must be a decimal string of dollars such as "2.49"',
    param: 'amount',
  },
  webhook_invalid: {
    meaning: 'The signature of a provider’s event does not match, or the event is too old.',
    whatToDo: 'Check the signing secret of the endpoint and the clock of this machine.',
    message: 'the signature of the event does not fit',
  },
  unauthenticated: {
    meaning: 'The call carries no key and no session, or a key or session that is unknown, revoked or over.',
    whatToDo: 'Send `Authorization: Bearer KEY` with a valid key. A person needs a new link to the dashboard.',
    message: 'send a key as "Authorization: Bearer KEY"',
  },
  insufficient_credit: {
    meaning: 'The team has less credit than the call needs.',
    whatToDo: 'Make a deposit, wait for auto top-up, or ask for less.',
    message: 'available is $1.20 and a start needs $3.00',
  },
  card_declined: {
    meaning: 'The bank declined the card. `deposit` names the failed deposit and `reason` the failure code.',
    whatToDo: 'Show the message to the person, who can use another card or contact the bank.',
    message: inSentences(paymentFailureWords('insufficient_funds', 'card')),
    details: { deposit: 'dep_9c1185a5c5e9fc54612808977ee8f548', reason: 'insufficient_funds' },
  },
  forbidden: {
    meaning: 'The key or session is valid, but is not allowed to make this call or to send this field.',
    whatToDo: 'Use the platform key, or a key or session with the rights that the message names.',
    message: 'only the platform may do this',
  },
  not_found: {
    meaning: 'The object does not exist, or belongs to another team.',
    whatToDo: 'Check the id, and check that the key belongs to the team.',
    message: 'no such team',
    param: 'team',
  },
  method_not_allowed: {
    meaning: 'The path exists, but does not accept this method.',
    whatToDo: 'Use one of the methods of the `Allow` header.',
    message: '/v1/teams/acme takes GET and PATCH, not DELETE',
  },
  withdrawal_refused: {
    meaning:
      'The refund or the dispute cannot be withdrawn: the provider has it, or a refund of the deposit is under way.',
    whatToDo:
      'Look again at the deposit, which records the state at the provider. Withdraw only a refund or dispute that the provider does not have.',
    message: 'Stripe has this refund, re_3PqT2x: look again at the deposit instead',
  },
  id_taken: {
    meaning: 'Another object has this id with other contents.',
    whatToDo: 'Choose another id. Sending the first request again returns the existing object.',
    message: 'another instance has this id',
    param: 'id',
  },
  budget_met: {
    meaning:
      'A budget of the team or of the project was met, and its action is `refuse` or `stop`: nothing of its scope starts before the next day or month.',
    whatToDo: 'Raise or remove the budget by `PUT /v1/teams/{team}/alerts`, or wait until the time in the message.',
    message:
      'The daily budget of project train, $40.00, was met at 2026-03-01T17:20:00Z: nothing is started before 2026-03-02T00:00:00Z, unless the budget is raised.',
  },
  burn_limit: {
    meaning: 'After the start, the burn of the team would be above its limit of burn per hour.',
    whatToDo: 'Stop an instance, or raise `burnPerHourLimit` by `PUT /v1/teams/{team}/alerts`.',
    message:
      'The burn of the team would be $12.45 an hour, above its limit of $10.00 an hour: it is $9.96 an hour now. Stop an instance, or raise burnPerHourLimit.',
  },
  version_conflict: {
    meaning: 'The object was changed after the version in the request.',
    whatToDo: 'Read the object again, apply the change to its current values, and send it with the new version.',
    message:
      'version: the billing details are at version 3 by now: read them again, then send the change with that version',
    param: 'version',
  },
  instance_ended: {
    meaning: 'The instance has ended and cannot be changed.',
    whatToDo: 'Resume it with `POST /v1/instances/{id}/resume`, or start another one.',
    message: 'the instance has ended',
  },
  instance_active: {
    meaning: 'The instance, or an instance that resumed it, is still running. `instance` names the running instance.',
    whatToDo: 'Use the running instance, or stop it before you resume again.',
    message: 'the instance was resumed as train-1b, which is running: stop it first',
    details: { instance: 'train-1b' },
  },
  team_suspended: {
    meaning: 'The team is suspended and cannot start, hold or reserve anything new. Running instances continue.',
    whatToDo: 'To end the suspension, call `POST /v1/teams/{team}/unsuspend`.',
    message: 'the team is suspended: it can start, hold and reserve nothing',
    param: 'team',
  },
  team_archived: {
    meaning: 'The team is archived: it can be read, but not changed or charged.',
    whatToDo: 'Call `POST /v1/teams/{team}/unarchive` first.',
    message: 'the team is archived: unarchive it first',
    param: 'team',
  },
  team_in_use: {
    meaning: 'The team cannot be archived yet. The message lists the reasons.',
    whatToDo: 'Stop the team’s instances, wait for its payments, and refund its credit or send `keepBalance`.',
    message: 'the team cannot be archived: it has 2 running instances, $20.00 of credit',
    param: 'team',
  },
  payment_method_in_use: {
    meaning: 'Auto top-up charges this card.',
    whatToDo: 'Choose another card for auto top-up, switch it off, or repeat the call with `evenInUse=true`.',
    message: 'auto top-up charges this card when less than $20.00 is available',
  },
  not_refundable: {
    meaning: 'The deposit has no amount that can be refunded in its current state.',
    whatToDo: 'Check the deposit’s `status` and `refunded`.',
    message: 'the deposit is pending',
  },
  deposit_disputed: {
    meaning: 'The cardholder disputes the deposit, and the bank decides who gets the money.',
    whatToDo: 'Wait for the bank’s decision.',
    message: 'the deposit is disputed: the bank decides who has the money',
  },
  refund_refused: {
    meaning: 'The card provider refused the refund. `refund` names the failed refund and `reason` the provider’s code.',
    whatToDo: 'The credit was given back to the team. Check the payment in the provider’s dashboard.',
    message: 'The card provider refused the refund. Nothing was sent, and the amount is credit again.',
    details: { refund: 'ref_5d41402abc4b2a76b9719d911017c592', reason: 'charge_disputed' },
  },
  refund_not_supported: {
    meaning: 'The deposit was paid in crypto. This service cannot send crypto back.',
    whatToDo: 'Send the coins back by hand.',
    message: 'only card payments can be refunded here: send crypto back by hand',
  },
  no_reservation: {
    meaning: 'The request has `pricing: reserved`, and no reservation of the team has a free place.',
    whatToDo: 'Begin a reservation, or start the instance with another `pricing`.',
    message: 'no reservation of the team covers another h100-80gb in eu-west-1',
    param: 'pricing',
  },
  not_spot: {
    meaning: 'Only instances with `pricing: spot` can be reclaimed.',
    whatToDo: 'Stop the instance instead.',
    message: 'only spot instances are reclaimed',
  },
  reservation_ended: {
    meaning: 'The reservation has ended and cannot be changed.',
    whatToDo: 'Begin another reservation.',
    message: 'the reservation has ended',
  },
  hold_closed: {
    meaning: 'The hold was settled or has expired and holds no credit.',
    whatToDo: 'No action is necessary: the hold is already closed.',
    message: 'the hold has expired: it holds nothing any more',
  },
  idempotency_key_reused: {
    meaning: 'The `Idempotency-Key` was used within 24 hours for a request with another body.',
    whatToDo: 'Use a new key for a new request.',
    message: 'the key was used for another request',
    param: 'Idempotency-Key',
  },
  idempotency_in_flight: {
    meaning: 'The first request with this `Idempotency-Key` has not been answered yet.',
    whatToDo: 'Repeat the call after `Retry-After` seconds.',
    message: 'the first request with this key is still under way',
    param: 'Idempotency-Key',
  },
  payload_too_large: {
    meaning: 'The body is larger than the limit of the service.',
    whatToDo: 'Send a smaller body, or divide the content between several calls.',
    message: 'the body is larger than 1 MiB',
  },
  unsupported_media_type: {
    meaning: 'The body is not JSON in UTF-8, or has an unknown compression.',
    whatToDo: 'Send `Content-Type: application/json`.',
    message: 'send JSON, as "Content-Type: application/json"',
  },
  amount_out_of_range: {
    meaning: 'The amount is a valid number, but is outside the limits of this call.',
    whatToDo: 'Stay within the limits that the message names.',
    message: 'amount must be between $15.00 and $5,000.00',
    param: 'amount',
  },
  at_out_of_range: {
    meaning: 'The time is valid, but is outside the limits of this call.',
    whatToDo: 'Stay within the limits that the message names.',
    message: 'at must lie between the start of the instance and now',
    param: 'at',
  },
  too_many_groups: {
    meaning: 'The usage of the range has more than 10,000 groups.',
    whatToDo: 'Choose a shorter range, or a coarser grouping.',
    message: 'the usage has more than 10,000 groups: choose a shorter range or a coarser grouping',
    param: 'by',
  },
  payment_method_required: {
    meaning: 'The team has no saved card.',
    whatToDo: 'Save a card with `POST /v1/teams/{team}/payment-methods` first.',
    message: 'save a card before switching auto top-up on',
    param: 'paymentMethod',
  },
  payment_method_invalid: {
    meaning: 'Stripe does not have the payment method, or the payment method cannot be attached to this team.',
    whatToDo: 'Send the id of a new card from your own Stripe form.',
    message: 'the payment method is not a card',
    param: 'stripePaymentMethod',
  },
  price_not_found: {
    meaning: 'The price list has no such GPU type, region or model.',
    whatToDo: 'Use a name from `GET /v1/prices` or `GET /v1/models`, or send `hourly` with the platform key.',
    message: 'h100 is not listed in eu-west-1: did you mean h100-80gb?',
    param: 'gpuType',
  },
  rate_limited: {
    meaning: 'The key, or the address, has made too many calls within a minute.',
    whatToDo: 'Repeat the call after `Retry-After` seconds.',
    message: 'too many calls within a minute: wait as long as Retry-After says',
  },
  internal: {
    meaning: 'The service failed. The cause is in its log under the `requestId`.',
    whatToDo: 'Repeat the call under the same `Idempotency-Key` or id. Report the `requestId` if it fails again.',
    message: 'something went wrong on our side',
  },
  start_expired: {
    meaning: 'The call was not recorded in time and has no later effect.',
    whatToDo: 'Repeat the call after `Retry-After` seconds.',
    message: 'the caller was answered already',
  },
  engine_unavailable: {
    meaning:
      'Temporal, its worker or the database cannot be reached. This call recorded nothing and has no later effect.',
    whatToDo: 'Repeat the call after `Retry-After` seconds.',
    message: 'the engine cannot be reached just now; nothing was recorded',
  },
  outcome_unknown: {
    meaning:
      'Temporal or the database became unavailable during the call. The service does not know whether the call was recorded, or cannot read the result.',
    whatToDo:
      'Repeat the same call under the same `id` or `Idempotency-Key`, after `Retry-After` seconds, until the answer is not a 503. If a POST carried neither, list the objects before you repeat it.',
    message: 'whether the call was recorded is not known: send the same again',
  },
  overloaded: {
    meaning: 'The service has more calls under way than it can serve in time. Nothing was recorded.',
    whatToDo: 'Repeat the call after `Retry-After` seconds. The number differs from call to call.',
    message:
      'more calls are under way than can be served in time; nothing was recorded: repeat the call after Retry-After',
  },
  clock_wrong: {
    meaning:
      'The clock of the server that took the call differs from the database by more than two seconds. Nothing was recorded.',
    whatToDo:
      'Repeat the call after `Retry-After` seconds: another server can process it. An operator must correct the clock.',
    message: 'the clock of this server is 9.0 s behind the database’s, so nothing is recorded until it is set right',
  },
  provider_rejected: {
    meaning:
      'The payment provider refused the request of this service. Neither the caller nor the card is the cause. `deposit` names the failed deposit.',
    whatToDo: 'Try another way to pay. The operator can find the provider’s reason in the log.',
    message: inSentences(paymentFailureWords('provider_rejected', 'card')),
    details: { deposit: 'dep_9c1185a5c5e9fc54612808977ee8f548', reason: 'provider_rejected' },
  },
  provider_unavailable: {
    meaning: 'The payment provider does not answer.',
    whatToDo: 'Repeat the call after `Retry-After` seconds.',
    message: 'the payment provider does not answer; please try again',
  },
};

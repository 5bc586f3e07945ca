/** Balance, payments in, cards, and the ledger. */
import type { OperationTexts } from '../operation-text.ts';

export const MONEY: OperationTexts = {
  'get /v1/teams/{team}/balance': {
    description: `Returns the credit that the team can spend at the second of the call, and the second at which it runs out. \`available\` is \`posted\` less the cost of running instances since the last posting, less \`held\`.

\`runsOutAt\` is the last second that is paid in full without further top-ups. \`runsOutAt\` stays the same while \`available\` falls, so polling is unnecessary: show a countdown to \`runsOutAt\`, and listen for \`balance.low\` and \`balance.exhausted\`.

With \`at\`, returns the balance as it stood after all facts that were recorded through that second. A stop that was recorded later with an earlier \`at\` leaves it unchanged. \`runsOutAt\` and \`lowAt\` then follow from the rates of that second. 422 \`at_out_of_range\` before the team was created, and in the future.`,
  },
  'get /v1/teams/{team}/auto-top-up': {
    description: `Returns the auto top-up policy and its state: \`off\`, \`watching\`, \`charging\`, \`cooling_down\` or \`capped\`. \`lastAttempt\` is the latest charge. \`disabledReason\` is the reason why a failed charge switched the policy off.`,
  },
  'put /v1/teams/{team}/auto-top-up': {
    description: `Sets the auto top-up policy: a saved card is charged \`amount\` whenever \`available\` falls below \`threshold\`. If \`available\` is already below the threshold, the card is charged at once.

After each charge, the next charge waits for the cooldown. A declined card switches the policy off, and the team gets a mail. \`monthlyCap\` limits the charges of a UTC month. Without \`paymentMethod\`, the default card is used; 422 \`payment_method_required\` if the team has no card.

To switch the policy off, send only \`{"enabled": false}\`. Each change is recorded as a consent. The same call again changes nothing. With the \`version\` that was read, 409 \`version_conflict\` if another change came between.`,
    requests: {
      on: { summary: 'Charge $50 below $10', value: { enabled: true, threshold: '10.00', amount: '50.00' } },
      off: { summary: 'Off', value: { enabled: false } },
    },
  },
  'get /v1/teams/{team}/auto-top-up/changes': {
    description: `Lists every change of the policy, with the person, the time, the old and the new policy. Use the list when a customer asks who agreed to a charge.`,
  },
  'post /v1/teams/{team}/payment-methods': {
    description: `Saves a card, in one of two ways:

- With \`stripePaymentMethod\`, the id from your own Stripe form (Elements), the card is attached and returned. Stripe's test ids such as \`pm_card_visa\` work with a test key.
- With an empty body, the answer has \`checkoutUrl\`, a page of Stripe on which the person saves a card.

Card data never reaches this service. The first card becomes the default. Use the \`id\` of the answer as \`paymentMethod\` in other calls. 402 \`card_declined\` if the bank refuses the card.`,
    requests: {
      page: { summary: 'Open Stripe’s page', value: {} },
      attach: { summary: 'Attach a card of Stripe’s form', value: { stripePaymentMethod: 'pm_card_visa' } },
    },
  },
  'get /v1/teams/{team}/payment-methods': {
    description: `Lists all saved cards on one page, newest first. \`expiresSoon\` is true in the last thirty days of a card.`,
  },
  'post /v1/teams/{team}/payment-methods/{paymentMethod}/default': {
    description: `Makes a card the default: it is charged if a call names no card. The same call again changes nothing.`,
    requests: { empty: { summary: 'No fields', value: {} } },
  },
  'delete /v1/teams/{team}/payment-methods/{paymentMethod}': {
    description: `Removes a card here and at Stripe. If the card was the default, the newest of the other cards becomes the default.

A card that auto top-up charges is 409 \`payment_method_in_use\`. To remove such a card, send \`evenInUse=true\`. The next charge then fails and switches auto top-up off.`,
  },
  'get /v1/deposit-options': {
    description: `Returns the minimum and maximum of one deposit, the suggested amounts, and the payment methods of this deployment. Build the deposit form from the answer.`,
  },
  'post /v1/teams/{team}/deposits': {
    description: `Makes a payment into the team's credit.

- With \`paymentMethod\`, the saved card is charged and the call waits up to 10 seconds for the outcome: 201 with \`succeeded\` or \`pending\`, or 402 \`card_declined\`. \`deposit\` of the error names the failed deposit.
- Without \`paymentMethod\`, the answer has \`checkoutUrl\`, a page on which the person pays by card, or in crypto with \`method: crypto\`. The event \`deposit.succeeded\` reports the payment. If the provider does not open the page in time, the answer is \`pending\` without \`checkoutUrl\`: read the deposit until it has a \`checkoutUrl\`.
- After a 201, the deposit is recorded and its processing continues. After 503 \`engine_unavailable\`, nothing is recorded and nobody is charged. After 503 \`outcome_unknown\`, repeat the call under its \`id\` or \`Idempotency-Key\`.

Send an \`Idempotency-Key\`: a repeat then returns the first payment and never pays twice. Crypto is credited as received, even if the received amount differs from \`amount\`.`,
    requests: {
      page: { summary: 'Open a page', value: { amount: '100.00', method: 'card' } },
      saved: {
        summary: 'Charge a saved card',
        value: { amount: '25.00', method: 'card', paymentMethod: 'pm_e6e08eec1724b735226fa781a46e5a84' },
      },
    },
  },
  'get /v1/teams/{team}/deposits': {
    description: `Lists deposits, auto top-ups, refunds and disputes in one history, newest first. Refunds and disputes have negative amounts, and their \`deposit\` names the deposit. \`Accept: text/csv\` returns the whole history as a file.`,
  },
  'get /v1/teams/{team}/deposits/{deposit}': {
    description: `Returns one deposit. After a payment page was opened, poll the deposit, or wait for \`deposit.succeeded\`. \`failureMessage\` is written for the person who paid.`,
  },
  'get /v1/deposits': {
    description: `Lists the deposits of all teams, newest first. The filters can be combined. Use the list for the operator's pages and for exports.`,
  },
  'post /v1/deposits/{id}/look-again': {
    description: `Asks the payment provider for the current state of a deposit, its refunds and its disputes, and records the changes. Use the call when an event of the provider was lost, or when the provider has changed a decision. The same call again changes nothing.`,
    requests: { empty: { summary: 'No fields', value: {} } },
  },
  'post /v1/deposits/{id}/corrections': {
    description: `Corrects the credited amount of a payment, if the ledger and the payment provider differ: see *Reconcile* in the operating manual. A positive \`amount\` is credited. A negative \`amount\` is taken from unspent credit first; the rest becomes \`owed\`.

Nothing is sent to the provider. The transaction \`deposit_correction\` names the corrected row. Choose the \`id\` yourself to make a repeat safe. 422 \`amount_out_of_range\` if the amount is more than the rest of the credited amount.`,
    requests: {
      less: {
        summary: 'The provider took less',
        value: { id: 'correction-1042', amount: '-20.00', note: 'Stripe took $80 for this deposit of $100' },
      },
      more: { summary: 'The provider took more', value: { amount: '5.00', note: 'Stripe took $105' } },
    },
  },
  'get /v1/deposits/{id}/corrections': {
    description: `Lists the corrections of a deposit, newest first. Corrections with the actor \`provider\` follow a correction of the payment by its provider.`,
  },
  'post /v1/deposits/{id}/withdraw': {
    description: `Withdraws a recorded refund or dispute that the card provider does not have. The provider is asked first: 409 \`withdrawal_refused\` if the provider has the refund or the dispute. A withdrawn refund counts as failed, and a withdrawn dispute as won, so the amount is credit again. The same call again changes nothing.`,
    requests: {
      refund: {
        summary: 'A refund that Stripe lacks',
        value: { id: 'refund-1042', note: 'Stripe has no such refund; checked in the dashboard' },
      },
    },
  },
  'post /v1/deposits/{id}/refund': {
    description: `Refunds a card deposit. The credit is taken from the team first, and given back if the card provider refuses. Without \`amount\`, the whole refundable amount is refunded: the part of the deposit that was not refunded before and is still unspent.

The call waits up to 10 seconds for the provider; \`pending\` means that the outcome is not known yet. Send an \`Idempotency-Key\`: a repeat never refunds twice. 409 \`not_refundable\` if nothing is left.`,
    requests: {
      part: { summary: 'A part', value: { amount: '20.00' } },
      all: { summary: 'The whole refundable amount', value: {} },
    },
  },
  'get /v1/teams/{team}/deposits/{deposit}/receipt': {
    description: `Returns the receipt as PDF. A receipt is made once and never changes. Before the deposit is credited, the answer is 404.`,
  },
  'get /v1/teams/{team}/deposits/{deposit}/receipts': {
    description: `Lists the receipts of a deposit: one for a card payment, one for each part of a crypto payment, each with its own number and amount.`,
  },
  'get /v1/teams/{team}/deposits/{deposit}/receipts/{receipt}': {
    description: `Returns one receipt of a deposit as PDF, by its number. The bytes are the same at each download.`,
  },
  'get /v1/teams/{team}/transactions': {
    description: `Lists every credit and debit, signed from the team's side, newest first. The rows of the account \`credit\` add up to the posted balance. \`code\` is the type of a row, and \`reference\` is unique to its cause. \`balance\` is the posted credit after the row, whatever the filters leave out.

The filters can be combined. A row of token usage is listed if any of its events has the \`project\` or the \`model\`. An empty \`project\`, \`model\`, \`instance\`, \`reservation\`, \`gpuType\`, \`region\` or \`pricing\` lists usage without a value, such as usage without a project. \`filter\` of a group of \`GET /v1/teams/{team}/usage\` has parameters of this list.

\`Accept: text/csv\` returns all rows that the filters leave as a file, with the columns \`id\`, \`at (UTC)\`, \`amount\`, \`account\`, \`code\`, \`status\`, \`reference\`, \`cause\`, \`instance\`, \`reservation\`, \`deposit\`, \`corrects\`, \`description\`, \`method\`, \`receiptNumber\`, \`model\`, \`project\` and \`balance\`. The last row is the total: the sum of \`amount\` over the rows of the account \`credit\`. The sum of the account \`owed\`, if the file has rows of it, is in the row before. Texts that a spreadsheet would run as formulas have an apostrophe in front.`,
  },
  'post /v1/teams/{team}/grants': {
    description: `Gives a team credit without a payment: a welcome, a goodwill credit, an invoice paid elsewhere. \`note\` is kept with the grant.

Choose the \`id\` yourself to make a repeat safe: the same call again returns the same grant. Use \`revoke\` to undo a mistaken grant.`,
    requests: {
      welcome: { summary: 'A welcome', value: { id: 'welcome-acme', amount: '60.00', note: 'welcome credit' } },
    },
  },
  'get /v1/teams/{team}/grants': {
    description: `Lists the grants of a team, newest first, including revoked grants.`,
  },
  'get /v1/grants/{id}': { description: `Returns a grant, and whether it was revoked.` },
  'post /v1/grants/{id}/revoke': {
    description: `Revokes a grant by a correcting transfer. Unspent credit is taken first; the rest becomes \`owed\` and is collected from the next credit. The same call again returns the same answer.`,
    requests: { note: { summary: 'With the reason', value: { note: 'granted to the wrong team' } } },
  },
};

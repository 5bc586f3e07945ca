/** Balance, payments in, cards, and the ledger. */
import type { OperationTexts } from '../operation-text.ts';

export const MONEY: OperationTexts = {
  'get /v1/teams/{team}/balance': {
    description: `Returns what the team can spend at the second of the call, and when it ends. \`available\` is \`posted\` less what running instances have cost since the last posting, less \`held\`.

\`runsOutAt\` is the last second that is paid in full without further top-ups. It stands still while \`available\` falls towards it, so there is no need to poll: show the countdown from \`runsOutAt\`, and listen for \`balance.low\` and \`balance.exhausted\`.`,
  },
  'get /v1/teams/{team}/auto-top-up': {
    description: `Returns the auto top-up policy and its state: \`off\`, \`watching\`, \`charging\`, \`cooling_down\` or \`capped\`. \`lastAttempt\` is the latest charge. \`disabledReason\` says why the policy went off by itself.`,
  },
  'put /v1/teams/{team}/auto-top-up': {
    description: `Sets the policy by which a saved card is charged \`amount\` whenever \`available\` falls below \`threshold\`. Enabled while the balance is already below it, the card is charged at once.

After each charge the cooldown passes before the next. A declined card switches the policy off and the team gets a mail. \`monthlyCap\` limits the charges of a UTC month. Without \`paymentMethod\` the default card is used; 422 \`payment_method_required\` when there is none.

Switching off needs \`{"enabled": false}\` alone. Each change is recorded as a consent. The same call again changes nothing.`,
    requests: {
      on: { summary: 'Charge $50 below $10', value: { enabled: true, threshold: '10.00', amount: '50.00' } },
      off: { summary: 'Off', value: { enabled: false } },
    },
  },
  'get /v1/teams/{team}/auto-top-up/changes': {
    description: `Lists every change of the policy: who, when, the old and the new one. Show it when a customer asks who agreed to a charge.`,
  },
  'post /v1/teams/{team}/payment-methods': {
    description: `Saves a card, in one of two ways:

- with \`stripePaymentMethod\`, the id that your own Stripe form (Elements) made: the card is attached and returned. Stripe's test ids such as \`pm_card_visa\` work with a test key;
- with an empty body: returns \`checkoutUrl\`, a page of Stripe's on which the person saves a card.

Card data never reaches this service. The first card becomes the default. Use the \`id\` of the answer as \`paymentMethod\` elsewhere. 402 \`card_declined\` when the bank refuses the card.`,
    requests: {
      page: { summary: 'Open Stripe’s page', value: {} },
      attach: { summary: 'Attach a card of Stripe’s form', value: { stripePaymentMethod: 'pm_card_visa' } },
    },
  },
  'get /v1/teams/{team}/payment-methods': {
    description: `Lists the saved cards, newest first. All are on one page. \`expiresSoon\` is true in the last thirty days of a card.`,
  },
  'post /v1/teams/{team}/payment-methods/{paymentMethod}/default': {
    description: `Makes a card the one that is charged where a call names none. The same call again changes nothing.`,
    requests: { empty: { summary: 'No fields', value: {} } },
  },
  'delete /v1/teams/{team}/payment-methods/{paymentMethod}': {
    description: `Removes a card here and at Stripe. If it was the default, the newest of the others becomes the default.

A card that auto top-up charges is 409 \`payment_method_in_use\`. With \`evenInUse=true\` it is removed all the same; the next charge then fails and switches auto top-up off.`,
  },
  'get /v1/deposit-options': {
    description: `Returns the least and the most of one deposit, the amounts to offer, and the methods that this deployment takes. Build the deposit form from it.`,
  },
  'post /v1/teams/{team}/deposits': {
    description: `Pays credit in.

- With \`paymentMethod\`, the saved card is charged and the call waits up to 10 seconds for the outcome: 201 with \`succeeded\` or \`pending\`, or 402 \`card_declined\`, whose \`deposit\` names the failed deposit.
- Without it, the answer has \`checkoutUrl\`, a page on which the person pays by card, or in crypto with \`method: crypto\`. \`deposit.succeeded\` tells when the money has come. Where the provider does not open the page in time, the answer is \`pending\` without \`checkoutUrl\`: read the deposit until it has one.
- A 201 is recorded and goes on. After 503 \`engine_unavailable\` nothing is recorded and nobody is charged. After 503 \`outcome_unknown\`, repeat the call under its \`id\` or \`Idempotency-Key\`.

Send an \`Idempotency-Key\`: a repeat then joins the first payment and never pays twice. Crypto is credited as received, even if it is more or less than \`amount\`.`,
    requests: {
      page: { summary: 'Open a page', value: { amount: '100.00', method: 'card' } },
      saved: {
        summary: 'Charge a saved card',
        value: { amount: '25.00', method: 'card', paymentMethod: 'pm_e6e08eec1724b735226fa781a46e5a84' },
      },
    },
  },
  'get /v1/teams/{team}/deposits': {
    description: `Lists deposits, auto top-ups, refunds and disputes in one history, newest first. The amounts of refunds and disputes are negative, and \`deposit\` names what they are about. \`Accept: text/csv\` returns the whole history as a file.`,
  },
  'get /v1/teams/{team}/deposits/{deposit}': {
    description: `Returns one deposit. After a page was opened, poll it or wait for \`deposit.succeeded\`. \`failureMessage\` is written for the person who paid.`,
  },
  'get /v1/deposits': {
    description: `Lists the deposits of all teams, newest first. The filters combine. Use it for the operator's pages and for exports.`,
  },
  'post /v1/deposits/{id}/look-again': {
    description: `Asks the payment provider for the current state of a deposit, its refunds and its disputes, and records what has changed since. Use it when an event of the provider was lost, or when the provider has changed its mind. The same call again changes nothing.`,
    requests: { empty: { summary: 'No fields', value: {} } },
  },
  'post /v1/deposits/{id}/corrections': {
    description: `Corrects what was credited for a payment, where the ledger and the payment provider differ: see *Reconcile* in the operating manual. A positive \`amount\` is credited. A negative \`amount\` is taken from unspent credit first; the rest becomes \`owed\`.

Nothing is sent to the provider. The transaction \`deposit_correction\` names the row that it corrects. Choose the \`id\` yourself to make a repeat safe. 422 \`amount_out_of_range\` for more than is left of what was credited.`,
    requests: {
      less: {
        summary: 'The provider took less',
        value: { id: 'correction-1042', amount: '-20.00', note: 'Stripe took $80 for this deposit of $100' },
      },
      more: { summary: 'The provider took more', value: { amount: '5.00', note: 'Stripe took $105' } },
    },
  },
  'get /v1/deposits/{id}/corrections': {
    description: `Lists the corrections of a deposit, newest first. Those with the actor \`provider\` followed a correction of the payment by its provider.`,
  },
  'post /v1/deposits/{id}/withdraw': {
    description: `Withdraws a refund or a dispute that is recorded here and that the card provider does not have. The provider is asked first: 409 \`withdrawal_refused\` where it has the refund or the dispute. A withdrawn refund counts as failed and a withdrawn dispute as won, so that its amount is credit again. The same call again changes nothing.`,
    requests: {
      refund: {
        summary: 'A refund that Stripe lacks',
        value: { id: 'refund-1042', note: 'Stripe has no such refund; checked in the dashboard' },
      },
    },
  },
  'post /v1/deposits/{id}/refund': {
    description: `Sends money of a card deposit back. The credit is taken from the team first, and given back if the card provider refuses. Without \`amount\` everything refundable is refunded: what was not refunded before and is still unspent.

The call waits up to 10 seconds for the provider; \`pending\` means that its outcome is not known yet. Send an \`Idempotency-Key\`: a repeat never refunds twice. 409 \`not_refundable\` when nothing is left.`,
    requests: { part: { summary: 'A part', value: { amount: '20.00' } }, all: { summary: 'What is left', value: {} } },
  },
  'get /v1/teams/{team}/deposits/{deposit}/receipt': {
    description: `Returns the receipt as PDF. A receipt is made once and never changes. Before the deposit is credited it is 404.`,
  },
  'get /v1/teams/{team}/deposits/{deposit}/receipts': {
    description: `Lists the receipts of a deposit: one for a card payment, one for each part of a crypto payment, each with its own number and amount.`,
  },
  'get /v1/teams/{team}/deposits/{deposit}/receipts/{receipt}': {
    description: `Returns one receipt of a deposit as PDF, by its number. The bytes are the same at each download.`,
  },
  'get /v1/teams/{team}/transactions': {
    description: `Lists every credit and debit, signed from the team's side, newest first. The rows of the account \`credit\` add up to the posted balance. \`code\` says why a row exists, \`reference\` is unique to its cause.

\`Accept: text/csv\` returns all rows as a file.`,
  },
  'post /v1/teams/{team}/grants': {
    description: `Gives a team credit that nobody paid for: a welcome, a goodwill credit, an invoice paid elsewhere. \`note\` is kept with it.

Choose the \`id\` yourself to make a repeat safe: the same call again returns the same grant. A mistaken grant is taken back with \`revoke\`.`,
    requests: {
      welcome: { summary: 'A welcome', value: { id: 'welcome-acme', amount: '60.00', note: 'welcome credit' } },
    },
  },
  'get /v1/teams/{team}/grants': {
    description: `Lists the grants of a team, newest first, revoked ones too.`,
  },
  'get /v1/grants/{id}': { description: `Returns a grant, and whether it was revoked.` },
  'post /v1/grants/{id}/revoke': {
    description: `Takes a grant back by a correcting transfer. Unspent credit is taken first; the rest becomes \`owed\` and is collected from the next credit. The same call again returns the same answer.`,
    requests: { note: { summary: 'With the reason', value: { note: 'granted to the wrong team' } } },
  },
};

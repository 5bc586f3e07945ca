/**
 * The ways in which the ledger and a payment provider can differ, each with its meaning and the operator's remedy. The
 * report of a day and docs/operating.md use this list.
 */

export const DIFFERENCES = {
  charge_without_deposit: {
    sentence: 'The provider took money for a deposit that the ledger does not have.',
    whatToDo: 'Look for a lost backup or another deployment on the same account; refund the payment at the provider.',
  },
  deposit_without_charge: {
    sentence: 'The ledger credited a deposit that the provider took no money for.',
    whatToDo:
      'Check the account and the mode (test or live) of the key. If the provider took nothing, take the credit back: `POST /v1/deposits/{id}/corrections` with minus the amount.',
  },
  amount_differs: {
    sentence: 'The provider took another amount than the ledger credited.',
    whatToDo:
      'Correct the credit by the difference: `POST /v1/deposits/{id}/corrections` with what the provider took less what was credited.',
  },
  currency_differs: {
    sentence: 'The provider took another currency than dollars.',
    whatToDo:
      'Find out who made the payment. Refund the whole payment at the provider and look again at the deposit, which takes the credit back; `POST /v1/deposits/{id}/corrections` takes back what is left of the credit, if the refund was less. Have the team pay in dollars.',
  },
  wrong_team: {
    sentence: 'The payment belongs to another team or customer than its deposit.',
    whatToDo:
      'Refund the whole payment at the provider and look again at the deposit, which takes the credit back. To keep the payment, move the credit with two calls of `POST /v1/deposits/{id}/corrections`: minus the amount with `team` as the team that was credited, and the amount with `team` as the team that paid.',
  },
  charged_twice: {
    sentence: 'The provider took money more than once for one deposit.',
    whatToDo: 'Refund this payment at the provider: it was not credited.',
  },
  credited_twice: {
    sentence: 'The ledger credited a deposit more than once.',
    whatToDo:
      'A fault of the software: report it. Take the surplus back: `POST /v1/deposits/{id}/corrections` with minus the surplus.',
  },
  credit_differs: {
    sentence: 'The ledger posted another amount than the amount of the deposit.',
    whatToDo:
      'A fault of the software: report it. Correct the credit: `POST /v1/deposits/{id}/corrections` with the amount of the deposit less what was posted.',
  },
  credit_missing: {
    sentence: 'A deposit is marked as credited, and the ledger has no transfer for it.',
    whatToDo:
      'A fault of the software, or a lost backup: report it. Credit the amount: `POST /v1/deposits/{id}/corrections` with the amount of the deposit.',
  },
  credit_without_deposit: {
    sentence: 'The ledger has a credit from a provider without a credited deposit.',
    whatToDo:
      'Find the cause by `caused_by` of the transfer, and report it. Take the credit back: `POST /v1/deposits/{id}/corrections` with minus the amount, also where the ledger has no deposit with this id. Where several credits name one id, name the row of each in `corrects` by its reference.',
  },
  charged_though_failed: {
    sentence: 'The provider took money for a deposit that is failed or expired here.',
    whatToDo:
      'Look again at the deposit, which credits it: the nightly comparison does this by itself, and `POST /v1/deposits/{id}/look-again` does it at once. To give the money back, refund the deposit afterwards.',
  },
  stuck_open: {
    sentence: 'A deposit is still open here, although its outcome is final at the provider.',
    whatToDo:
      'Look again at the deposit, also where its workflow has ended: the nightly comparison does this by itself, and `POST /v1/deposits/{id}/look-again` does it at once.',
  },
  refund_not_in_ledger: {
    sentence: 'The provider gave money back, and the ledger has no refund of it: the credit can still be spent.',
    whatToDo:
      'Look again at the deposit, which books the refund: the nightly comparison does this by itself, and `POST /v1/deposits/{id}/look-again` does it at once.',
  },
  refund_not_at_provider: {
    sentence: 'The ledger has a refund that the provider does not have.',
    whatToDo:
      'Check the account and the mode of the key, and look again at the deposit. If the provider has no such refund, withdraw it: `POST /v1/deposits/{id}/withdraw` with the id of the refund. It counts as failed, and its amount is credit again; refund again if money is still to go back.',
  },
  refund_amount_differs: {
    sentence: 'The provider gave back another amount than the ledger took from credit.',
    whatToDo:
      'Look again at the deposit, which takes or gives back the difference: the nightly comparison does this by itself, and `POST /v1/deposits/{id}/look-again` does it at once. If more went back than was paid in, take the rest: `POST /v1/deposits/{id}/corrections` with minus the rest and with `corrects` as the reference of the refund.',
  },
  refund_status_differs: {
    sentence: 'A refund has another outcome at the provider than here.',
    whatToDo:
      'Look again at the deposit, which takes the credit or gives it back: the nightly comparison does this by itself, and `POST /v1/deposits/{id}/look-again` does it at once.',
  },
  dispute_not_in_ledger: {
    sentence: 'A payment is contested, and the ledger has no dispute of it: the credit can still be spent.',
    whatToDo:
      'Look again at the deposit, which holds the credit: the nightly comparison does this by itself, and `POST /v1/deposits/{id}/look-again` does it at once.',
  },
  dispute_not_at_provider: {
    sentence: 'The ledger holds credit for a dispute that the provider does not have.',
    whatToDo:
      'Check the account and the mode of the key. If the provider has no such dispute, withdraw it: `POST /v1/deposits/{id}/withdraw` with the id of the dispute. It counts as won, and its amount is credit again.',
  },
  dispute_amount_differs: {
    sentence: 'A dispute has another amount at the provider than here.',
    whatToDo:
      'Look again at the deposit, which holds or takes the new amount: the nightly comparison does this by itself, and `POST /v1/deposits/{id}/look-again` does it at once.',
  },
  dispute_status_differs: {
    sentence: 'A dispute has another state at the provider than here.',
    whatToDo:
      'Look again at the deposit, which records the decision: the nightly comparison does this by itself, and `POST /v1/deposits/{id}/look-again` does it at once.',
  },
  output_not_credited: {
    sentence: 'A payment arrived on the chain and was not credited.',
    whatToDo:
      'Look again at the deposit, which credits the output: the nightly comparison does this by itself, and `POST /v1/deposits/{id}/look-again` does it at once.',
  },
  credit_without_output: {
    sentence: 'The ledger credited a payment on the chain that the provider does not have.',
    whatToDo:
      'Look again at the deposit, which takes back the credit of a transaction that has left the chain: the nightly comparison does this by itself, and `POST /v1/deposits/{id}/look-again` does it at once. If the difference stays, because the provider no longer has the page, look the hash up on the chain. If the payment is not there, take its credit back: `POST /v1/deposits/{id}/corrections` with minus the amount and with `corrects` as the reference of its transaction.',
  },
  output_amount_differs: {
    sentence: 'A payment on the chain was credited with another amount than arrived.',
    whatToDo:
      'Look again at the deposit, which credits or takes back the difference: the nightly comparison does this by itself, and `POST /v1/deposits/{id}/look-again` does it at once. If the difference stays, look the hash up on the chain, and correct the credit: `POST /v1/deposits/{id}/corrections` with the difference and with `corrects` as the reference of its transaction.',
  },
} as const satisfies Record<string, { sentence: string; whatToDo: string }>;

export type DifferenceClass = keyof typeof DIFFERENCES;

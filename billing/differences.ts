/**
 * How the ledger and a payment provider can disagree, each with what it means and what an operator does about it. One
 * list, met again in the report of a day and in docs/operating.md.
 */

export const DIFFERENCES = {
  charge_without_deposit: {
    sentence: 'The provider took money for a deposit that the ledger does not have.',
    whatToDo: 'Look for a lost backup or another deployment on the same account; refund the payment at the provider.',
  },
  deposit_without_charge: {
    sentence: 'The ledger credited a deposit that the provider took no money for.',
    whatToDo:
      'Check the account and the mode (test or live) of the key; if the credit is wrong, settle it with the team.',
  },
  amount_differs: {
    sentence: 'The provider took another amount than the ledger credited.',
    whatToDo: 'Grant what is missing, or refund at the provider what was taken too much.',
  },
  currency_differs: {
    sentence: 'The provider took another currency than dollars.',
    whatToDo: 'Refund the payment at the provider and have the team pay in dollars; find out who made the payment.',
  },
  wrong_team: {
    sentence: 'The payment belongs to another team or customer than the deposit that it is credited to.',
    whatToDo:
      'Stop both teams from spending it; refund the payment at the provider, and settle the credit with the team.',
  },
  charged_twice: {
    sentence: 'The provider took money more than once for one deposit.',
    whatToDo: 'Refund this payment at the provider: it is the one that was not credited.',
  },
  credited_twice: {
    sentence: 'The ledger credited a deposit more than once.',
    whatToDo: 'A fault of the software: keep the rows, report it, and settle the surplus with the team.',
  },
  credit_differs: {
    sentence: 'What the ledger posted for a deposit is not the amount of the deposit.',
    whatToDo: 'A fault of the software: keep the rows, report it, and grant what is missing.',
  },
  credit_missing: {
    sentence: 'A deposit is marked as credited, and the ledger has no transfer for it.',
    whatToDo: 'Restore the row from a backup, or grant the amount with the deposit in the note.',
  },
  credit_without_deposit: {
    sentence: 'The ledger has a credit from a provider that no credited deposit stands behind.',
    whatToDo: 'Find its cause by `caused_by` of the transfer; report it, and settle the credit with the team.',
  },
  charged_though_failed: {
    sentence: 'The provider took money for a deposit that is failed or expired here.',
    whatToDo: 'Refund the payment at the provider, or grant its amount with its id in the note.',
  },
  stuck_open: {
    sentence: 'A deposit is still open here though the provider has long known how it ended.',
    whatToDo: 'Have its workflow look again (update `lookAgain`); if it has no running workflow, wake or restart it.',
  },
  refund_not_in_ledger: {
    sentence: 'The provider gave money back, and the ledger has no refund of it: the credit can still be spent.',
    whatToDo: 'It was made at the provider by hand, and its webhook was lost: send the event again from the provider.',
  },
  refund_not_at_provider: {
    sentence: 'The ledger has a refund that the provider does not have.',
    whatToDo: 'Look at its workflow: it may still be trying. If it has ended, refund at the provider by hand.',
  },
  refund_amount_differs: {
    sentence: 'The provider gave back another amount than the ledger took from credit.',
    whatToDo: 'Grant what was taken too much, or refund the rest.',
  },
  refund_status_differs: {
    sentence: 'A refund ended otherwise at the provider than here.',
    whatToDo: 'Have its workflow look again; a refund that failed at the provider must give the credit back.',
  },
  dispute_not_in_ledger: {
    sentence: 'A payment is contested, and the ledger does not know: its credit can still be spent.',
    whatToDo: 'Its webhook was lost: send the event again from the provider.',
  },
  dispute_not_at_provider: {
    sentence: 'The ledger holds credit back for a dispute that the provider does not have.',
    whatToDo: 'Check the account and the mode of the key; if there is no such dispute, release what is held.',
  },
  dispute_amount_differs: {
    sentence: 'The contested amount is another here than at the provider.',
    whatToDo: 'Have its workflow look again.',
  },
  dispute_status_differs: {
    sentence: 'A dispute stands otherwise at the provider than here.',
    whatToDo: 'Its webhook was lost: send the event again from the provider, or have its workflow look again.',
  },
  output_not_credited: {
    sentence: 'A payment arrived on the chain and was not credited.',
    whatToDo:
      'Have the workflow of its deposit look again; if it has ended, grant the amount with the hash in the note.',
  },
  credit_without_output: {
    sentence: 'The ledger credited a payment on the chain that the provider does not have.',
    whatToDo: 'Look the hash up on the chain; if it is not there, settle the credit with the team.',
  },
  output_amount_differs: {
    sentence: 'A payment on the chain was credited with another amount than arrived.',
    whatToDo: 'Look the hash up on the chain; grant what is missing, or settle the surplus with the team.',
  },
} as const satisfies Record<string, { sentence: string; whatToDo: string }>;

export type DifferenceClass = keyof typeof DIFFERENCES;

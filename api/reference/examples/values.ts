/** The form of the examples, and the values that several examples share, so that the examples agree. */

/** A whole example of each schema, by its name. */
export type Examples = Record<string, Record<string, unknown>>;
/** Examples of single fields, by schema and path. */
export type FieldExamples = Record<string, unknown>;

export const TEAM = 'acme';
export const CARD = 'pm_e6e08eec1724b735226fa781a46e5a84';
export const DEPOSIT = 'dep_9c1185a5c5e9fc54612808977ee8f548';
export const REFUND = 'ref_5d41402abc4b2a76b9719d911017c592';
export const HOLD = 'hold_d9e4b3c3d83877e58a25f469e44da010';
export const STARTED = '2026-11-22T04:42:01Z';
export const ENDED = '2026-11-22T05:12:01Z';
export const RECEIPT_URL = `https://billing.example/v1/teams/${TEAM}/deposits/${DEPOSIT}/receipt`;
export const METADATA = { customer: 'cus_1042', plan: 'pro' };

/** Errors, which every operation can answer. */
import { DEPOSIT, type Examples, type FieldExamples, REFUND } from './values.ts';

export const SERVICE: Examples = {
  Error: {
    error: {
      type: 'invalid_request_error',
      code: 'invalid_request',
      message: 'name is required',
      param: 'name',
      errors: [{ param: 'name', message: 'name is required' }],
      requestId: 'req_0f6d3c1b9a8e7d5c4b3a29181716f5e4',
    },
  },
};

/** Fields that these examples leave out or set to null. */
export const SERVICE_FIELDS: FieldExamples = {
  'Error.error.instance': 'train-1',
  'Error.error.deposit': DEPOSIT,
  'Error.error.refund': REFUND,
  'Error.error.reason': 'insufficient_funds',
};

/** Low-balance levels, budgets, and the limit of burn. */
import type { Examples, FieldExamples } from './values.ts';

const budget = {
  project: 'train',
  period: 'day',
  amount: '40.000000',
  action: 'stop',
  spend: '12.450000',
  periodStart: '2026-11-22T00:00:00Z',
  periodEnd: '2026-11-23T00:00:00Z',
  met: false,
  metAt: '2026-11-22T16:15:54Z',
};

const crossing = { at: '2026-11-22T10:43:27Z', what: 'exhausted', balance: '0.000317', instances: ['train-1'] };

export const ALERTS: Examples = {
  Alerts: {
    lowBalance: ['25.000000', '10.000000'],
    budgets: [budget],
    burnPerHourLimit: '20.000000',
    version: 3,
  },
  Budget: budget,
  Forecast: {
    crossings: [crossing],
    runsOutAt: '2026-11-22T10:43:27Z',
    until: '2026-12-23T05:12:01Z',
    warnings: [
      { code: 'insufficient_credit', message: '$3.00 of credit is needed, and $1.00 is available: add $2.00 or more.' },
    ],
  },
  ForecastCrossing: crossing,
};

export const ALERTS_FIELDS: FieldExamples = {};

/** Instances and the order in which they end. */
import { ENDED, type Examples, type FieldExamples, METADATA, STARTED, TEAM } from './values.ts';

export const receipt = {
  id: 'train-1',
  startedAt: STARTED,
  endedAt: ENDED,
  seconds: 1800,
  cost: '1.245000',
  reason: 'stopped',
};

const segment = {
  hourly: '2.490000',
  startedAt: STARTED,
  endedAt: null,
  seconds: 1800,
  cost: '1.245000',
  list: '2.490000',
  discountPercent: 0,
  discountKind: null,
  coveredBy: null,
  why: 'on-demand list price $2.490000',
};

const instance = {
  id: 'train-1',
  team: TEAM,
  project: 'vision',
  gpuType: 'h100-80gb',
  region: 'eu-west-1',
  pricing: 'on_demand',
  status: 'active',
  startedAt: STARTED,
  endedAt: null,
  seconds: 1800,
  cost: '1.245000',
  hourly: '2.490000',
  reason: null,
  segments: [segment],
  shedOrder: null,
  reclaimAt: null,
  resumedFrom: null,
  metadata: METADATA,
};

export const INSTANCES: Examples = {
  Instance: instance,
  Segment: segment,
  Receipt: receipt,
  Shedding: { order: ['train-1'] },
};

/** Fields that these examples leave out or set to null. */
export const INSTANCES_FIELDS: FieldExamples = {
  'Instance.endedAt': ENDED,
  'Instance.reason': 'stopped',
  'Instance.shedOrder': 1,
  'Instance.reclaimAt': ENDED,
  'Instance.resumedFrom': 'train-0',
  'Segment.endedAt': ENDED,
  'Segment.discountKind': 'volume',
  'Segment.coveredBy': 'r1',
};

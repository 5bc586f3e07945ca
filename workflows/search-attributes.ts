/**
 * The search attributes by name and type, for a process that registers the attributes without loading a Temporal
 * package.
 */
export const SEARCHED_BY = [
  { name: 'TeamId', type: 'KEYWORD' },
  { name: 'InstanceId', type: 'KEYWORD' },
  { name: 'GpuType', type: 'KEYWORD' },
  { name: 'BillingState', type: 'KEYWORD' },
  { name: 'Cause', type: 'KEYWORD' },
] as const;

/** The search attributes by name and type alone, for a process that makes them and loads no Temporal package. */
export const SEARCHED_BY = [
  { name: 'TeamId', type: 'KEYWORD' },
  { name: 'InstanceId', type: 'KEYWORD' },
  { name: 'GpuType', type: 'KEYWORD' },
  { name: 'BillingState', type: 'KEYWORD' },
  { name: 'Cause', type: 'KEYWORD' },
] as const;

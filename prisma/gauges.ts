/** Totals over all teams, each from a partial index: cheap enough to be read every few seconds. */
import type { Tx } from './client.ts';

/** Work that waits for a neighbour: the amount, and the age of the oldest piece. */
export interface Backlog {
  count: number;
  oldestAgeSeconds: number;
}

export interface Gauges {
  runningInstances: number;
  burnMicrosPerHour: number;
  noticesNotHandedOn: number;
  /** Mails refused for good by a mail server and not sent again by anybody. */
  mailsRefused: number;
  exhaustionsNotAnnounced: number;
  /** In the latest seven reports. A corrected day is compared again, and its report replaced. */
  reconciliationDifferences: number;
  /** When the latest compared day began, in unix seconds; 0 before the first. */
  reconciledDaySecond: number;
}

/**
 * By kind of work; notices also by channel, deposits by kind, workflows by the kind of their row. Work without a row here has
 * no backlog.
 */
export interface Backlogs {
  notices: Map<string, Backlog>;
  deposits: Map<string, Backlog>;
  /** Ended instances whose machine's stop the platform has not confirmed. */
  machines: Backlog;
  refunds: Backlog;
  /** Teams whose watch has not looked at a fact, or at the second of its timer: see due-work.ts. */
  looks: Backlog;
  /** Instances, reservations, deposits and refunds with facts not yet seen by the workflow: see due-work.ts. */
  workflows: Map<string, Backlog>;
}

export async function readGauges(tx: Tx): Promise<Gauges> {
  const [row] = await tx.$queryRaw<Array<Record<keyof Gauges, bigint>>>`
    SELECT running.count AS "runningInstances", running.burn AS "burnMicrosPerHour",
      (SELECT count(*) FROM notices WHERE NOT handed_on) AS "noticesNotHandedOn",
      (SELECT count(*) FROM notices WHERE refused_second IS NOT NULL) AS "mailsRefused",
      (SELECT count(*) FROM exhaustions WHERE NOT announced) AS "exhaustionsNotAnnounced",
      (SELECT COALESCE(sum(differences), 0) FROM (SELECT differences FROM reconciliations ORDER BY day DESC LIMIT 7) AS latest)
        AS "reconciliationDifferences",
      (SELECT COALESCE(extract(epoch FROM max(day)::timestamp), 0)::bigint FROM reconciliations) AS "reconciledDaySecond"
    FROM (
      SELECT count(*) AS count, COALESCE(sum(rate_micros_per_hour), 0)::bigint AS burn FROM segments WHERE end_second IS NULL
    ) AS running`;
  return {
    runningInstances: Number(row?.runningInstances ?? 0),
    burnMicrosPerHour: Number(row?.burnMicrosPerHour ?? 0),
    noticesNotHandedOn: Number(row?.noticesNotHandedOn ?? 0),
    mailsRefused: Number(row?.mailsRefused ?? 0),
    exhaustionsNotAnnounced: Number(row?.exhaustionsNotAnnounced ?? 0),
    reconciliationDifferences: Number(row?.reconciliationDifferences ?? 0),
    reconciledDaySecond: Number(row?.reconciledDaySecond ?? 0),
  };
}

interface BacklogRow {
  work: keyof Backlogs;
  label: string;
  count: bigint;
  oldestSecond: bigint;
}

/** A stop that the platform itself requested or announced needs no confirmation. */
export async function readBacklogs(tx: Tx, nowSecond: number): Promise<Backlogs> {
  const rows = await tx.$queryRaw<BacklogRow[]>`
    SELECT 'notices' AS work, channel AS label, count(*) AS count, min(second) AS "oldestSecond"
      FROM notices WHERE sent_second IS NULL AND refused_second IS NULL GROUP BY channel
    UNION ALL SELECT 'machines', '', count(*), min(end_second) FROM instances
      WHERE end_second IS NOT NULL AND terminated_confirmed_second IS NULL AND reason <> 'stopped' HAVING count(*) > 0
    UNION ALL SELECT 'deposits', kind, count(*), min(opened_second) FROM deposits
      WHERE status IN ('pending', 'requires_action') GROUP BY kind
    UNION ALL SELECT 'refunds', '', count(*), min(opened_second) FROM refunds WHERE status = 'pending' HAVING count(*) > 0
    UNION ALL SELECT 'looks', '', count(*), min(due_second) FROM (
      SELECT look_due_second AS due_second FROM accounts WHERE look_due_second IS NOT NULL
      UNION ALL SELECT planned_look_second FROM accounts WHERE planned_look_second < ${nowSecond} AND look_due_second IS NULL
    ) AS looks HAVING count(*) > 0
    UNION ALL SELECT 'workflows', of, count(*), min(due_second) FROM (
      SELECT 'instance' AS of, workflow_due_second AS due_second FROM instances WHERE workflow_due_second IS NOT NULL
      UNION ALL SELECT 'reservation', workflow_due_second FROM reservations WHERE workflow_due_second IS NOT NULL
      UNION ALL SELECT 'deposit', workflow_due_second FROM deposits WHERE workflow_due_second IS NOT NULL
      UNION ALL SELECT 'refund', workflow_due_second FROM refunds WHERE workflow_due_second IS NOT NULL
    ) AS due GROUP BY of`;
  const single = { machines: NONE, refunds: NONE, looks: NONE };
  const backlogs: Backlogs = { notices: new Map(), deposits: new Map(), workflows: new Map(), ...single };
  for (const { work, label, count, oldestSecond } of rows) {
    const backlog = { count: Number(count), oldestAgeSeconds: Math.max(0, nowSecond - Number(oldestSecond)) };
    if (work === 'notices' || work === 'deposits' || work === 'workflows') backlogs[work].set(label, backlog);
    else backlogs[work] = backlog;
  }
  return backlogs;
}

const NONE: Backlog = { count: 0, oldestAgeSeconds: 0 };

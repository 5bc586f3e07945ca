/** The team of the demo, as the API shows it. */
import type { Api } from './http.ts';

export const TEAM = 'acme';

export interface Balance {
  available: string;
  burnPerHour: string;
  runsOutAt: string | null;
  activeInstances: number;
}
export interface TopUp {
  state: string;
  enabled: boolean;
  disabledReason: string | null;
  cooldownUntil: string | null;
}
export interface Deposit {
  id: string;
  amount: string;
  label: string;
  status: string;
  received?: string;
  checkoutUrl?: string | null;
}

export class DemoTeam {
  private readonly api: Api;

  constructor(api: Api) {
    this.api = api;
  }

  balance(): Promise<Balance> {
    return this.api.get<Balance>(`/v1/teams/${TEAM}/balance`);
  }

  topUp(): Promise<TopUp> {
    return this.api.get<TopUp>(`/v1/teams/${TEAM}/auto-top-up`);
  }

  /** Oldest first. */
  async deposits(): Promise<Deposit[]> {
    return (await this.api.get<{ data: Deposit[] }>(`/v1/teams/${TEAM}/deposits`)).data.reverse();
  }

  async topUps(status: string): Promise<Deposit[]> {
    return (await this.deposits()).filter((deposit) => deposit.label === 'Auto Top-Up' && deposit.status === status);
  }
}

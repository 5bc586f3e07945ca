/** The company that issues papers. A paper keeps the issuer of its making. */
export interface Issuer {
  name: string;
  /** Lines are separated by `\n`. */
  address: string | null;
  taxId: string | null;
  /** The mail address or page for questions about a paper. */
  contact: string | null;
}

/** The issuer if the settings name none. */
export const DEFAULT_ISSUER: Issuer = { name: 'Burnrate', address: null, taxId: null, contact: null };

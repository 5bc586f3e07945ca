/** The company that issues papers. A paper keeps the issuer of its making. */
export interface Issuer {
  name: string;
  /** Lines are separated by `\n`. */
  address: string | null;
  taxId: string | null;
  /** Where a person asks about a paper: an address of mail or of a page. */
  contact: string | null;
}

/** Where the settings name no other. */
export const DEFAULT_ISSUER: Issuer = { name: 'Burnrate', address: null, taxId: null, contact: null };

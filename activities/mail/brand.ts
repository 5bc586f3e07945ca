/** The sender of the mails: the configured name, colours and contacts of a deployment. */

export interface Brand {
  /** In the header, the footer and the sender's name. */
  name: string;
  /** `#rrggbb`, of buttons and links. */
  color: string;
  /** A picture in place of the name. Null: the name is written. */
  logoUrl: string | null;
  /** A line of the sender's own under each mail, such as a company's name and address. */
  footer: string | null;
  /** The mail address or page for help. Null: people reply to the mail. */
  support: string | null;
}

export const DEFAULT_BRAND: Brand = {
  name: 'Burnrate',
  color: '#1d4ed8',
  logoUrl: null,
  footer: null,
  support: null,
};

/** The way to ask for help, as the end of a sentence: `write to help@acme.example`. */
export const askForHelp = ({ support }: Brand): string => {
  if (support === null) return 'reply to this mail';
  return support.includes('@') && !support.includes('://') ? `write to ${support}` : `go to ${support}`;
};

/** What the document says about an operation beyond its schemas. */
export interface RequestExample {
  summary: string;
  value: object;
}

export interface OperationText {
  /** Markdown: what the operation does, when to call it, what it answers, what a repeat does, and which errors matter. */
  description: string;
  /** Bodies that the operation accepts as they stand. The first is the one that `/docs` fills in. */
  requests?: Record<string, RequestExample>;
}

/** By method and path, as in `post /v1/teams`. */
export type OperationTexts = Record<string, OperationText>;

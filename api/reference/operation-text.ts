/** Descriptions and example requests of an operation in the OpenAPI document, in addition to the schemas. */
export interface RequestExample {
  summary: string;
  value: object;
}

export interface OperationText {
  /**
   * Markdown: the purpose of the operation, the occasion, the answer, the effect of a repeat, and the important errors.
   */
  description: string;
  /** Valid bodies of the operation. `/docs` fills in the first. */
  requests?: Record<string, RequestExample>;
}

/** By method and path, as in `post /v1/teams`. */
export type OperationTexts = Record<string, OperationText>;

/** Where a peer says what happened, one plain sentence a call. */
export interface Logger {
  readonly info: (message: string) => void;
  readonly warn: (message: string) => void;
}

/** One entry of the code table: what the code means and what to do, in the words `signalbox explain` prints. */
export interface CodeEntry {
  /** One line, no full stop. */
  readonly title: string;
  /** What happened and why it matters, one short paragraph. */
  readonly meaning: string;
  /** What the reader does now. */
  readonly fix: string;
}

export type CodeTable = Readonly<Record<string, CodeEntry>>;

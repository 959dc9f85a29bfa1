// From physical records of several kinds to what is handed over: children below their parent, header and trailer checked and taken out.

import { InvalidMessage, newRecord, type Value, type ValueRecord } from '../contract/index.js';
import { type Decoded, KEPT_BYTES } from './codec.js';
import { type TotalOptions, Totals } from './totals.js';

export interface Plan {
  readonly kinds: ReadonlyMap<string, Kind>;
  readonly header: Control | undefined;
  readonly trailer: Control | undefined;
  /** Field that says the kind of a record, where there are several that are handed over. */
  readonly typeField: string | undefined;
  /** Most records below one. */
  readonly maxChildren: number;
  readonly decimal: 'point' | 'comma';
}

export interface Kind {
  /** Name of the list: kind of its records. */
  readonly children: Readonly<Record<string, string>>;
  /** It is a child of another kind. */
  readonly below: boolean;
}

export interface Control extends TotalOptions {
  /** Field under which every record carries the header. */
  readonly as?: string | undefined;
}

export const HEADER = 'header_record';
export const TRAILER = 'trailer_record';

/** One physical record, before it has its place. */
export interface Part {
  /** Undefined when no kind fits. */
  readonly kind: string | undefined;
  readonly value: ValueRecord | undefined;
  readonly failure?: InvalidMessage;
  readonly line?: number;
  readonly offset: number;
  readonly raw: Uint8Array;
}

/** Bytes of a record with everything below it. */
const LARGEST_GROUP = 16 * 1024 * 1024;

const NO_LISTS: ReadonlyMap<string, Value[]> = new Map();

interface Open {
  readonly kind: Kind;
  readonly value: ValueRecord;
  readonly lists: ReadonlyMap<string, Value[]>;
}

/** For one stream. Memory is bounded by one group. */
export class Grouping {
  private readonly done: Decoded[] = [];
  private group: { readonly first: Part; readonly stack: Open[]; readonly raw: Uint8Array[]; size: number; children: number; failure?: InvalidMessage } | undefined;
  private number = 1;
  private totals: { readonly header: Totals | undefined; readonly trailer: Totals | undefined };
  private header: Part | undefined;
  private state: 'start' | 'inside' | 'closed' = 'start';

  constructor(
    private readonly plan: Plan,
    private readonly source: string,
  ) {
    this.totals = this.newTotals();
  }

  take(part: Part): void {
    if (part.kind === HEADER) this.takeHeader(part);
    else if (part.kind === TRAILER) this.takeTrailer(part);
    else this.takeRecord(part);
  }

  private takeRecord(part: Part): void {
    if (this.state === 'start' && this.plan.header?.required) this.fail('E353', part, 'the file does not begin with its header');
    if (this.state === 'closed') this.fail('E353', part, 'there are records behind the trailer');
    this.state = 'inside';
    this.totals.header?.add(part.kind, part.value);
    this.totals.trailer?.add(part.kind, part.value);
    const kind = part.kind === undefined ? undefined : this.plan.kinds.get(part.kind);
    if (kind && !kind.below) {
      this.close();
      const open = part.value ? this.open(part, kind, part.value) : undefined;
      this.group = { first: part, stack: open ? [open] : [], raw: [part.raw], size: part.raw.length, children: 0, ...(part.failure ? { failure: part.failure } : {}) };
      if (Object.keys(kind.children).length === 0) this.close();
      return;
    }
    if (this.group) this.below(this.group, part, kind);
    else this.push(part, part.failure ?? this.misplaced(part));
  }

  /** Nothing follows. */
  end(): void {
    this.close();
    const nothing: Part = { kind: undefined, value: undefined, offset: 0, raw: Buffer.alloc(0) };
    if (this.state === 'start' && this.plan.header?.required) this.fail('E353', nothing, 'the file has no header');
    if (this.state !== 'closed') {
      if (this.plan.trailer?.required) this.fail('E353', nothing, 'the file ends without its trailer: it is not complete');
      this.checkHeader(0);
    }
  }

  drain(): readonly Decoded[] {
    return this.done.splice(0);
  }

  private takeHeader(part: Part): void {
    this.close();
    if (this.state === 'inside') {
      if (this.plan.trailer?.required) this.fail('E353', part, 'a header follows before the trailer of the one before');
      this.checkHeader(0);
    }
    this.totals = this.newTotals();
    this.header = part;
    this.state = 'inside';
    if (part.failure) this.push(part, part.failure);
  }

  private takeTrailer(part: Part): void {
    this.close();
    const around = 1 + (this.header ? 1 : 0);
    if (this.state === 'closed') this.fail('E353', part, 'there is a second trailer');
    else if (this.state === 'start' && this.plan.header?.required) this.fail('E353', part, 'the file does not begin with its header');
    if (part.failure) this.push(part, part.failure);
    else if (part.value) this.check(part, this.totals.trailer?.problems(part.value, around));
    this.checkHeader(1);
    this.totals = this.newTotals();
    this.header = undefined;
    this.state = 'closed';
  }

  private checkHeader(trailers: number): void {
    if (this.header?.value) this.check(this.header, this.totals.header?.problems(this.header.value, 1 + trailers));
  }

  private check(part: Part, problems: readonly string[] = []): void {
    if (problems.length > 0) this.fail('E353', part, problems.join('; '));
  }

  private newTotals(): Grouping['totals'] {
    const { header, trailer, decimal } = this.plan;
    return { header: header && new Totals(header, decimal), trailer: trailer && new Totals(trailer, decimal) };
  }

  private open(part: Part, kind: Kind, fields: ValueRecord): Open {
    const carries = !kind.below && (this.plan.typeField !== undefined || this.plan.header?.as !== undefined);
    if (!carries && Object.keys(kind.children).length === 0) return { kind, value: fields, lists: NO_LISTS };
    const value = newRecord();
    if (this.plan.typeField !== undefined && !kind.below) value[this.plan.typeField] = part.kind ?? null;
    for (const [name, field] of Object.entries(fields)) value[name] = field;
    const lists = new Map<string, Value[]>();
    for (const [list, child] of Object.entries(kind.children)) {
      const values: Value[] = [];
      value[list] = values;
      lists.set(child, values);
    }
    const as = this.plan.header?.as;
    if (as !== undefined && !kind.below) value[as] = this.header?.value ?? null;
    return { kind, value, lists };
  }

  private below(group: NonNullable<Grouping['group']>, part: Part, kind: Kind | undefined): void {
    group.children++;
    if (!group.failure || group.size <= KEPT_BYTES) group.raw.push(part.raw);
    group.size += part.raw.length;
    if (group.failure) return;
    if (part.failure) group.failure = part.failure;
    else if (group.children > this.plan.maxChildren || group.size > LARGEST_GROUP) {
      const most = group.children > this.plan.maxChildren ? `${this.plan.maxChildren} records` : `${LARGEST_GROUP} bytes`;
      group.failure = new InvalidMessage('E345', `${this.place(group.first)}: more than ${most} below this record`, { place: this.place(group.first) });
    } else if (!this.nest(group.stack, part, kind)) group.failure = this.misplaced(part);
    if (group.failure) group.stack.length = 0;
  }

  /** Below the nearest record that takes it. */
  private nest(stack: Open[], part: Part, kind: Kind | undefined): boolean {
    const name = part.kind ?? '';
    while (stack.length > 0 && !stack.at(-1)?.lists.has(name)) stack.pop();
    const list = stack.at(-1)?.lists.get(name);
    if (!list || !kind || !part.value) return false;
    const open = this.open(part, kind, part.value);
    list.push(open.value);
    stack.push(open);
    return true;
  }

  private close(): void {
    const { group } = this;
    this.group = undefined;
    if (!group) return;
    const raw = group.raw.length === 1 && group.raw[0] ? group.raw[0] : Buffer.concat(group.raw.flatMap((bytes, at) => (at === 0 ? [bytes] : [Buffer.of(0x0a), bytes])));
    const { first } = group;
    if (group.failure) this.push({ ...first, raw: raw.subarray(0, KEPT_BYTES) }, group.failure);
    else this.done.push({ number: this.number++, value: group.stack[0]?.value ?? null, offset: first.offset, raw, ...(first.line === undefined ? {} : { line: first.line }) });
  }

  private misplaced(part: Part): InvalidMessage {
    const place = this.place(part);
    const text = part.kind === undefined ? 'no kind of record fits' : `a record of kind ${part.kind} stands below none that takes it`;
    return new InvalidMessage('E354', `${place}: ${text}`, { place });
  }

  private fail(code: 'E353', part: Part, text: string): void {
    const place = this.place(part);
    this.push(part, new InvalidMessage(code, `${place}: ${text}`, { place }));
  }

  private push(part: Part, failure: InvalidMessage): void {
    const { line, offset, raw } = part;
    this.done.push({ number: this.number++, value: null, failure, offset, raw, ...(line === undefined ? {} : { line }) });
  }

  private place(part: Part): string {
    return part.line === undefined ? this.source : `${this.source}:${part.line}`;
  }
}

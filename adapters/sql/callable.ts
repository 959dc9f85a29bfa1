import { type Callable, type Clock, InvalidMessage, Misconfigured, NotConnected, newRecord, type Value, type ValueRecord } from '../contract/index.js';
import { abortable } from './abortable.js';
import { Answers } from './answers.js';
import type { Call, Connect } from './config.js';
import { zonedColumn } from './dialects/zoned.js';
import type { Link } from './reading/source.js';
import { bindNamed, type NamedStatement, parseStatement } from './statement.js';
import { fitCell, readCell, textOf, Unreadable } from './values.js';

/** A question under way, with everybody who waits for its answer. */
interface Flight {
  readonly answer: Promise<Value>;
  readonly stop: AbortController;
  waiting: number;
}

/** A SELECT with parameters, in a read-only transaction. With a cache, the same question is asked once at a time and its answer used again for a while. */
export class SqlCallable implements Callable {
  readonly #answers: Answers | undefined;
  readonly #flights = new Map<string, Flight>();
  #statement: NamedStatement | undefined;

  constructor(
    private readonly config: Call,
    private readonly connect: Connect,
    private readonly link: () => Promise<Link>,
    private readonly clock: Clock,
  ) {
    const { cache } = config;
    if (cache) this.#answers = new Answers({ forMs: cache.for, negativeMs: cache.negative, entries: cache.entries }, clock);
  }

  async open(signal: AbortSignal): Promise<void> {
    const { dialect, database } = await this.link();
    await database.read((session) => session.query(dialect.ping), signal);
  }

  async call(parameters: ValueRecord, signal: AbortSignal): Promise<Value> {
    signal.throwIfAborted();
    if (!this.#answers) return this.#ask(parameters, signal);
    const question = questionOf(parameters);
    const known = this.#answers.get(question);
    if (known !== undefined) return known;
    const flight = this.#flights.get(question) ?? this.#start(question, parameters, this.#answers);
    flight.waiting++;
    try {
      return await abortable(flight.answer, signal);
    } finally {
      // Nobody waits for it any more.
      if (--flight.waiting === 0) flight.stop.abort(new NotConnected('E420', 'nobody waits for the answer'));
    }
  }

  /** The connections belong to the system. */
  async close(): Promise<void> {
    this.#answers?.clear();
    for (const { stop } of this.#flights.values()) stop.abort(new NotConnected('E420', 'the endpoint is closed'));
    this.#flights.clear();
  }

  #start(question: string, parameters: ValueRecord, answers: Answers): Flight {
    const stop = new AbortController();
    const asked = this.clock.monotonic();
    const answer = this.#ask(parameters, stop.signal).then((value) => {
      if (!stop.signal.aborted) answers.put(question, value, asked);
      return value;
    });
    const flight: Flight = { answer, stop, waiting: 0 };
    const landed = () => {
      if (this.#flights.get(question) === flight) this.#flights.delete(question);
    };
    // Whoever waits is told how it ended; one that was given up is not joined.
    answer.then(landed, landed);
    stop.signal.addEventListener('abort', landed, { once: true });
    this.#flights.set(question, flight);
    return flight;
  }

  async #ask(parameters: ValueRecord, signal: AbortSignal): Promise<Value> {
    const { dialect, database } = await this.link();
    const statement = this.#statement ?? parseStatement(this.config.sql);
    if (typeof statement === 'string') throw new Misconfigured('E427', statement);
    this.#statement = statement;
    const { sql, binds } = bindNamed(statement, parameters, dialect);
    const { fields, rows } = await database.read((session) => session.query(sql, binds), signal);
    const most = this.config.one ? 1 : this.config.limit;
    if (rows.length > most) throw new InvalidMessage('E335', `the answer has ${rows.length} rows, allowed ${most === 1 ? 'is 1' : `are ${most}`}`);
    const records = rows.map((row) => {
      const record = newRecord();
      fields.forEach(({ name, kind }, at) => {
        const value = fitCell(readCell(row[at] ?? null, kind), zonedColumn({ name, kind, type: '', nullable: true }, this.connect), undefined);
        if (value instanceof Unreadable) throw new InvalidMessage('E330', `${name}: ${value.text.slice(0, 60)} ${value.reason}`);
        record[name] = value;
      });
      return record;
    });
    return this.config.one ? (records[0] ?? null) : records;
  }
}

/** One text for the values of the parameters, different for different ones: `1` is not `'1'`, and 1.0 is not 1. */
function questionOf(parameters: ValueRecord): string {
  return JSON.stringify(
    Object.keys(parameters)
      .toSorted()
      .map((name) => {
        const value = parameters[name] ?? null;
        const kind = value === null ? 'null' : value instanceof Uint8Array ? 'bytes' : typeof value;
        return [name, kind, textOf(value)];
      }),
  );
}

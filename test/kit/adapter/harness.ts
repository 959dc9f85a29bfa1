import type { AdapterSpec, HttpHost, SourceRecord, Value, ValueRecord } from '../../../adapters/contract/index.js';

/**
 * What the kit must know about one adapter: how to configure it and how to look at the outside system without it.
 * All configurations are given as written in YAML (before the schema), with `new Secret(name, value)` in place of references.
 * Optional parts that are missing make their scenarios fail, unless a waiver says why.
 */
export interface AdapterHarness {
  readonly spec: AdapterSpec;
  /** Called once before all scenarios; starts what is needed. */
  start?(): Promise<void>;
  /** Called once after all scenarios. */
  stop?(): Promise<void>;
  /** Called before each scenario: the outside system holds nothing afterwards. */
  clean(): Promise<void>;
  /** A valid `connect:`. */
  connect(): unknown;
  /** The same system with wrong credentials. */
  badCredentials?(): unknown;
  /** An address where nobody answers. */
  unreachable?(): unknown;
  /** The system goes away (server stopped, directory gone) until `healLink`. */
  breakLink?(): Promise<void>;
  healLink?(): Promise<void>;
  /** For listening endpoints: the listener they register with. */
  http?(): HttpHost;
  readonly inbound?: InboundHarness;
  readonly outbound?: OutboundHarness;
  readonly callable?: CallableHarness;
  /** Scenario name to the reason why it cannot hold for this adapter. A waived scenario that passes fails the suite. */
  readonly waivers?: Readonly<Record<string, string>>;
}

/**
 * One input or effect of the kit. All fields are text so that a harness says itself how they are held; a good system under test keeps
 * `whole` beyond 2^53, the zeros of `amount` and the leading zeros of `code`.
 */
export interface Sample {
  readonly number: number;
  readonly text: string;
  /** `9007199254740993` */
  readonly whole: string;
  /** `0.1000` */
  readonly amount: string;
  /** `00123` */
  readonly code: string;
}

export interface InboundHarness {
  /** One endpoint of `read:`. */
  config(): unknown;
  /** Puts the inputs into the outside system in this order. With a listening endpoint: sends them one after another, rejects when one is refused. */
  seed(samples: readonly Sample[]): Promise<void>;
  /** What a record the adapter read says of its sample. */
  read(record: SourceRecord): Sample;
}

export interface OutboundHarness {
  /** One endpoint of `write:`. */
  config(): unknown;
  /** What arrived at the outside system, in any order; an effect applied twice is there twice. */
  collect(): Promise<readonly Sample[]>;
  /** Lets the outside system apply the next delivery and lose its answer. */
  loseAnswer?(): Promise<void>;
  /** The payload for a sample; default `payloadOf`. */
  payload?(sample: Sample): ValueRecord;
}

export interface CallableHarness {
  /** One endpoint of `call:`. */
  config(): unknown;
  /** Makes the sample known to the outside system. */
  seed(sample: Sample): Promise<void>;
  parameters(sample: Sample): ValueRecord;
  read(answer: Value): Sample;
}

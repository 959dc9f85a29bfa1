import type { Secret } from '../../../adapters/contract/secret.js';

/** How a PostgreSQL store is reached. */
export interface PostgresOptions {
  /** Several: the members of one cluster, of which the one that takes writes is used. */
  readonly hosts: readonly string[];
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: Secret;
  /** Schema of the tables, made when it is missing. All nodes of one installation name the same one. */
  readonly schema: string;
  /** Verified unless it is off. `caFile`: PEM file of the authority; those of Node when absent. */
  readonly tls: 'off' | { readonly caFile?: string; readonly servername?: string };
  /** Most connections at a time; one of them writes. */
  readonly connections?: number;
  /** Milliseconds. */
  readonly connectTimeoutMs?: number;
  readonly statementTimeoutMs?: number;
  readonly lockTimeoutMs?: number;
}

import type { Finding } from '../bus/finding.js';
import type { Handler } from '../bus/handler.js';
import type { RoutesInput } from './input.js';

export interface CompiledRoutes {
  /** Every problem of types, tables, routes, expressions and mappings, errors and warnings. */
  readonly findings: readonly Finding[];
  /** The routing function for one revision; undefined when a finding is an error. */
  build(revision: number): Handler | undefined;
}

/** Checks and compiles all routes of a configuration. Pure; called by the loader once per configuration. Never throws for what the configuration says. */
export function compileRoutes(_input: RoutesInput): CompiledRoutes {
  return { findings: [], build: () => undefined };
}

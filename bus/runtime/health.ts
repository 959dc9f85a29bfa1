import type { Broker } from '../broker.js';
import { describe } from '../errors.js';
import type { RunningHttpHost } from './http.js';
import { systemOf, type Telemetry } from './telemetry.js';

export interface HealthSubjects {
  readonly telemetry: Telemetry;
  readonly broker: Broker;
  /** Writes a little into the store: a full disk can still be read. */
  readonly writeStore: () => Promise<unknown>;
  /** What the pages read; the same figures as `signalbox status`. */
  readonly status: () => Promise<{
    readonly revision: { readonly number: number };
    readonly store: { readonly bytes: number };
    readonly deadLettersBy: readonly { readonly endpoint: string; readonly code: string; readonly count: number }[];
    readonly parkedBy: readonly { readonly endpoint: string; readonly lanes: number; readonly deliveries: number }[];
    readonly unknown: readonly { readonly endpoint: string; readonly count: number }[];
    readonly systems: readonly { readonly endpoints: readonly EndpointFigures[] }[];
  }>;
}

interface EndpointFigures {
  readonly name: string;
  readonly direction: 'inbound' | 'outbound';
  readonly state: string;
  readonly waiting: number | undefined;
  readonly oldestMs: number | undefined;
  readonly lastSuccessAt: number | undefined;
}

/**
 * `/livez` (the event loop turns), `/readyz` (bus and store work; a dead target never makes us unready; `?verbose` gives a line per check),
 * `/metrics` (Prometheus text format 0.0.4).
 */
export function addHealthPages(http: RunningHttpHost, { telemetry, broker, writeStore, status }: HealthSubjects): void {
  const text = { 'content-type': 'text/plain; charset=utf-8' };
  http.get('/livez', async () => ({ status: 200, headers: text, body: 'ok\n' }));
  http.get('/readyz', async ({ query }) => {
    const lines: string[] = [];
    let ready = broker.health.connected;
    lines.push(`${ready ? 'ok  ' : 'FAIL'} bus ${broker.kind}${broker.health.detail === undefined ? '' : ` ${broker.health.detail}`}`);
    try {
      const [{ revision }] = await Promise.all([status(), writeStore()]);
      lines.push('ok   store', `ok   config revision ${revision.number}`);
    } catch (error) {
      ready = false;
      lines.push(`FAIL store ${describe(error)}`);
    }
    return { status: ready ? 200 : 503, headers: text, body: 'verbose' in query ? `${lines.join('\n')}\n` : ready ? 'ok\n' : 'not ready\n' };
  });
  http.get('/metrics', async () => {
    const now = await status();
    telemetry.storeBytes.set(now.store.bytes);
    // What is gone since the last scrape (an endpoint, the last letter of a code) must not keep its old value.
    const { backlog, backlogOldest, sourceSilent, targetSuccess, deadLetters, unknownOutcomes, parkedKeys, parked } = telemetry;
    for (const gauge of [backlog, backlogOldest, sourceSilent, targetSuccess, deadLetters, unknownOutcomes, parkedKeys, parked]) gauge.reset();
    for (const { name, direction, state, waiting, oldestMs, lastSuccessAt } of now.systems.flatMap(({ endpoints }) => endpoints)) {
      if (direction === 'inbound') telemetry.sourceSilent.set({ system: systemOf(name), source: name }, state === 'silent' ? 1 : 0);
      if (direction === 'outbound' && lastSuccessAt !== undefined) telemetry.targetSuccess.set({ endpoint: name }, lastSuccessAt / 1000);
      if (waiting === undefined) continue;
      telemetry.backlog.set({ endpoint: name }, waiting);
      telemetry.backlogOldest.set({ endpoint: name }, (oldestMs ?? 0) / 1_000);
    }
    for (const { endpoint, lanes, deliveries } of now.parkedBy) {
      telemetry.parkedKeys.set({ endpoint }, lanes);
      telemetry.parked.set({ endpoint }, deliveries);
    }
    for (const { endpoint, code, count } of now.deadLettersBy) telemetry.deadLetters.inc({ endpoint, code }, count);
    for (const { endpoint, count } of now.unknown) telemetry.unknownOutcomes.set({ endpoint }, count);
    return { status: 200, headers: { 'content-type': telemetry.registry.contentType }, body: await telemetry.registry.metrics() };
  });
}

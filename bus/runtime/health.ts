import type { Broker } from '../broker.js';
import type { RunningHttpHost } from './http.js';
import type { Telemetry } from './telemetry.js';

export interface HealthSubjects {
  readonly telemetry: Telemetry;
  readonly broker: Broker;
  /** What the pages read; the same figures as `signalbox status`. */
  readonly status: () => Promise<{
    readonly revision: { readonly number: number };
    readonly store: { readonly bytes: number };
    readonly systems: readonly { readonly endpoints: readonly { readonly name: string; readonly waiting: number | undefined }[] }[];
  }>;
}

/**
 * `/livez` (the event loop turns), `/readyz` (bus and store work; a dead target never makes us unready; `?verbose` gives a line per check),
 * `/metrics` (Prometheus text format 0.0.4).
 */
export function addHealthPages(http: RunningHttpHost, { telemetry, broker, status }: HealthSubjects): void {
  const text = { 'content-type': 'text/plain; charset=utf-8' };
  http.get('/livez', async () => ({ status: 200, headers: text, body: 'ok\n' }));
  http.get('/readyz', async ({ query }) => {
    const lines: string[] = [];
    let ready = broker.health.connected;
    lines.push(`${ready ? 'ok  ' : 'FAIL'} bus ${broker.kind}${broker.health.detail === undefined ? '' : ` ${broker.health.detail}`}`);
    try {
      const { revision } = await status();
      lines.push('ok   store', `ok   config revision ${revision.number}`);
    } catch {
      ready = false;
      lines.push('FAIL store');
    }
    return { status: ready ? 200 : 503, headers: text, body: 'verbose' in query ? `${lines.join('\n')}\n` : ready ? 'ok\n' : 'not ready\n' };
  });
  http.get('/metrics', async () => {
    const now = await status();
    telemetry.storeBytes.set(now.store.bytes);
    for (const { name, waiting } of now.systems.flatMap(({ endpoints }) => endpoints)) if (waiting !== undefined) telemetry.backlog.set({ endpoint: name }, waiting);
    return { status: 200, headers: { 'content-type': telemetry.registry.contentType }, body: await telemetry.registry.metrics() };
  });
}

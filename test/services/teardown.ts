import type { Running } from './setup.js';

export default async function teardown(): Promise<void> {
  const running = (globalThis as typeof globalThis & { testServices?: Running }).testServices;
  if (!running) return;
  running.control.close();
  running.control.closeAllConnections();
  for (const server of running.servers.values()) {
    await server.then(
      (started) => started.stop(),
      () => undefined, // it never came up; the test that asked for it has reported why
    );
  }
}

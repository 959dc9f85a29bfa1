import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Status } from '../../console/service.js';
import { ask, command, type Hub, run, stop, until } from './run.js';

describe('a change of the configuration while it runs', () => {
  let hub: Hub;
  let child: ReturnType<typeof run>;

  beforeEach(async () => {
    const directory = mkdtempSync(join(tmpdir(), 'signalbox-reload-'));
    hub = { directory, environment: { ...process.env } };
    expect(command({ ...hub, directory: join(directory, 'hub') }, 'init', join(directory, 'hub')).code).toBe(0);
    hub = { ...hub, directory: join(directory, 'hub') };
    child = run(hub);
    await until(() => command(hub, 'status').code === 0, 'it runs', 30_000);
  }, 60_000);

  afterEach(async () => {
    await stop(child, 'SIGKILL');
    rmSync(join(hub.directory, '..'), { recursive: true, force: true });
  });

  test('ten mistakes in three files are all named, and the old revision goes on running', async () => {
    const before = ask<Status>(hub, 'status');
    const mistakes = new URL('../../../test/e2e/fixtures/ten-mistakes/', import.meta.url);
    for (const file of readdirSync(hub.directory)) if (file.endsWith('.yaml')) rmSync(join(hub.directory, file));
    cpSync(mistakes, hub.directory, { recursive: true });

    const checked = command(hub, 'check');
    expect(checked.code).toBe(1);
    expect(`${checked.out}${checked.talk}`.match(/^error\[E\d+\]/gm)?.length).toBe(10);
    expect(`${checked.out}${checked.talk}`).toContain('Nothing was applied');

    const reloaded = command(hub, 'reload');
    expect(reloaded.code).toBe(1);
    expect(`${reloaded.out}${reloaded.talk}`.match(/error\[E\d+\]/g)?.length).toBe(10);
    const after = ask<Status>(hub, 'status');
    expect(after.revision).toEqual(before.revision);
    expect(after.refused?.problems).toBe(10);
  });

  test('SIGHUP checks and reloads: a new revision, and the same process', async () => {
    writeFileSync(join(hub.directory, 'more.yaml'), 'types:\n  Extra: {name: required text}\n');
    child.kill('SIGHUP');
    await until(() => ask<Status>(hub, 'status').revision.number === 2, 'revision 2', 20_000);
    expect(ask<Status>(hub, 'status').pid).toBe(child.pid);
  });
});

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Folder, Runner, values } from './runner.js';

let folder: Folder;
beforeEach(() => {
  folder = new Folder();
  mkdirSync(join(folder.root, 'in'));
});
afterEach(() => folder.remove());

describe('all_or_nothing', () => {
  test('F17 one bad record and nothing of the file is handed over; it goes to the error folder with its reason', async () => {
    const runner = Runner.on(folder, { all_or_nothing: true });
    folder.write('in/bad.csv', 'n\n1\n2,3\n4,5,6\n');
    folder.write('in/good.csv', 'n\n7\n');
    expect(values(await runner.poll({ maxRecords: 1 }))).toEqual([{ n: '7' }]);
    expect(folder.files('in/failed')).toEqual(['bad.csv', 'bad.csv.reason.json']);
    const { reason, accepted } = JSON.parse(folder.read('in/failed/bad.csv.reason.json')) as Record<string, unknown>;
    expect(reason).toBe('E340 bad.csv:3: 2 columns instead of 1, see from "n" on (and 1 more); all_or_nothing: no record of the file was handed over');
    expect(accepted).toBe(0);
    expect(folder.files('in/done')).toEqual(['good.csv']);
  });

  test('F17 a file that passed goes on after a restart where it was', async () => {
    const runner = Runner.on(folder, { all_or_nothing: true });
    folder.write('in/a.csv', 'n\n1\n2\n3\n');
    expect(values(await runner.poll({ maxRecords: 2, batches: 1 }))).toEqual([{ n: '1' }, { n: '2' }]);
    runner.restart();
    expect(values(await runner.poll({ maxRecords: 2 }))).toEqual([{ n: '3' }]);
  });

  test.each([
    [true, [], 0],
    [false, [{ n: '1' }, { n: '2' }, 'E353'], 2],
  ])('F17 a wrong control total with all_or_nothing: %s', async (all_or_nothing, read, accepted) => {
    const runner = Runner.on(folder, { all_or_nothing, csv: { trailer_record: { when: { is: 'T' }, columns: ['K'], count: 'K' } } });
    folder.write('in/a.csv', 'n\n1\n2\nT\n');
    expect(values(await runner.poll())).toEqual(read);
    expect(folder.files('in/failed')).toContain('a.csv');
    const note = JSON.parse(folder.read('in/failed/a.csv.reason.json')) as Record<string, unknown>;
    expect(note['reason']).toContain('a.csv:4: K is no number');
    expect(note['accepted']).toBe(accepted);
  });
});

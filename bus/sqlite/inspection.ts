// What `signalbox doctor` asks of a database file and of the directory it is in.
import { type BigIntStats, type StatsFs, statSync } from 'node:fs';
import { stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codes } from '../codes/index.js';
import { type DiagnoseOptions, type Diagnosis, fine, notChecked, problem, warning } from '../diagnosis.js';
import { describe, failureOf } from '../errors.js';
import { type Database, openDatabase } from './database.js';
import { fileSystemOf } from './file-system.js';

/** Read back from the connection that writes. */
export interface Inspection {
  readonly synchronous: number;
  readonly journalMode: string;
  readonly schema: number;
  /** What `quick_check` said; undefined when it was not asked. */
  readonly damage: readonly string[] | undefined;
}

export interface InspectedFile {
  readonly what: 'bus' | 'store';
  readonly path: string;
  /** The newest schema this version knows. */
  readonly schema: number;
  /** Asks the connection of the owner; undefined when nobody has the file open in this process. */
  readonly ask: ((integrity: boolean) => Promise<Inspection>) | undefined;
}

const GIGABYTE = 1024 ** 3;
/** Checked without being asked for when nobody waits for the file: about a second. */
const QUICK_BYTES = GIGABYTE;
const LONG_LOG_BYTES = 512 * 1024 ** 2;

export function inspect(database: Database, integrity: boolean): Inspection {
  const value = (name: string): unknown => database.pragma(name, { simple: true });
  const rows = integrity ? (database.pragma('quick_check(5)') as readonly { readonly quick_check: string }[]) : undefined;
  return {
    synchronous: Number(value('synchronous')),
    journalMode: String(value('journal_mode')),
    schema: Number(value('user_version')),
    damage: rows?.map((row) => row.quick_check).filter((text) => text !== 'ok'),
  };
}

export async function diagnoseFile(file: InspectedFile, { integrity }: DiagnoseOptions): Promise<readonly Diagnosis[]> {
  const { what, path, schema, ask } = file;
  const size = bytes(path);
  const directory = await diagnoseDirectory(dirname(path), bytes(`${path}-wal`));
  if (size === undefined && !ask) return [...directory, fine(`${what}.file`, `${path} is not there yet; it is made at the first start`)];
  try {
    const inspection = ask ? await ask(integrity) : alone(path, integrity || (size ?? 0) <= QUICK_BYTES);
    return [...directory, ...findings(file, inspection, size ?? 0)];
  } catch (error) {
    const failure = failureOf(error);
    // Taken while we came: whoever has it is asked over the admin socket.
    if (failure?.code === 'E531')
      return [...directory, notChecked(`${what}.file`, `another process has ${path} open`, 'ask that process: run the command as its user, or name its `--socket`')];
    return [...directory, problem(`${what}.file`, describe(error), `the ${what} cannot work with schema ${schema} at ${path}`, codes[failure?.code ?? 'E537'].fix)];
  }
}

/** As we would open it, but no step of the schema is made. */
function alone(path: string, integrity: boolean): Inspection {
  const database = openDatabase(path, { exclusive: true, busyTimeoutMs: 500 });
  try {
    return inspect(database, integrity);
  } finally {
    database.close();
  }
}

function findings({ what, path, schema }: InspectedFile, inspection: Inspection, size: number): readonly Diagnosis[] {
  const log = bytes(`${path}-wal`) ?? 0;
  const sizes = `${path}: ${megabytes(size)}, write-ahead log ${megabytes(log)}`;
  const settings = `synchronous = ${['OFF', 'NORMAL', 'FULL', 'EXTRA'][inspection.synchronous] ?? inspection.synchronous}, journal_mode = ${inspection.journalMode.toUpperCase()}`;
  const isDurable = inspection.synchronous >= 2 && inspection.journalMode === 'wal';
  return [
    isDurable
      ? fine(`${what}.durability`, settings)
      : problem(`${what}.durability`, settings, 'what was accepted a moment ago is gone when the power fails', 'report it: Signalbox sets FULL and WAL on each connection'),
    log > LONG_LOG_BYTES
      ? warning(`${what}.file`, sizes, 'the log is moved into the file only when no reader holds it up', 'look for a program that reads the file (`fuser -v`), and end it')
      : fine(`${what}.file`, sizes),
    ...(inspection.schema > schema
      ? [problem(`${what}.schema`, `number ${inspection.schema}, this version knows ${schema}`, 'an older version could damage it', codes.E532.fix)]
      : []),
    integrityOf(what, inspection.damage),
  ];
}

function integrityOf(what: string, damage: readonly string[] | undefined): Diagnosis {
  if (damage === undefined)
    return notChecked(
      `${what}.integrity`,
      'the structure of the file',
      '`signalbox doctor --integrity` reads all of it; writing waits meanwhile, about a second for each gigabyte',
    );
  if (damage.length === 0) return fine(`${what}.integrity`, 'the structure of the file is whole');
  return problem(`${what}.integrity`, damage.join('; ').slice(0, 300), 'messages can be lost or come twice', codes.E535.fix);
}

export async function diagnoseDirectory(directory: string, log = 0): Promise<readonly Diagnosis[]> {
  try {
    const [system, mode] = await Promise.all([statfs(directory, { bigint: false }), stat(directory, { bigint: true })]);
    return [systemDiagnosis(directory, system), diskDiagnosis(directory, system, log), modeDiagnosis(directory, mode)];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [fine('state.directory', `${directory} is not there yet; it is made at the first start`)];
    return [problem('state.directory', describe(error), 'nothing can be stored', codes.E537.fix)];
  }
}

function systemDiagnosis(directory: string, { type }: StatsFs): Diagnosis {
  const { kind, name } = fileSystemOf(type);
  const check = 'state.file-system';
  const found = `${directory} is on ${name}`;
  if (kind === 'network') return problem(check, found, codes.E523.meaning, codes.E523.fix);
  if (kind === 'fleeting') return warning(check, found, 'its content is gone with the machine or the container, and every message in it', 'use a directory or a volume on a disk');
  if (kind === 'user-space') return warning(check, found, 'whether locks and fsync work depends on the program behind it', codes.E523.fix);
  return fine(check, `${directory} is on a local file system`);
}

function diskDiagnosis(directory: string, { bavail, bsize, blocks }: StatsFs, log: number): Diagnosis {
  const free = bavail * bsize;
  const found = `${megabytes(free)} free (${Math.round((100 * bavail) / Math.max(1, blocks))} %)`;
  const fix = `free space on the volume of ${directory}, or grow it`;
  if (free < GIGABYTE / 4) return problem('state.disk', found, 'when it is full nothing is accepted any more', fix);
  if (free < Math.max(GIGABYTE, 4 * log)) return warning('state.disk', found, 'deleting needs space too; when it is full nothing is accepted any more', fix);
  return fine('state.disk', found);
}

function modeDiagnosis(directory: string, { mode, uid }: BigIntStats): Diagnosis {
  const bits = Number(mode & 0o777n);
  const found = `${directory} has mode ${bits.toString(8).padStart(4, '0')}`;
  const fix = `chmod 0700 ${directory}`;
  if ((bits & 0o002) !== 0) return problem('state.permissions', found, 'every user of the machine can delete the messages', fix);
  if ((bits & 0o077) !== 0) return warning('state.permissions', found, 'others can read the content of messages', fix);
  const own = process.getuid?.();
  if (own !== undefined && own !== 0 && BigInt(own) !== uid)
    return warning('state.permissions', `${found} and belongs to uid ${uid}`, 'the service may not be able to write there', `chown ${own} ${directory}`);
  return fine('state.permissions', found);
}

function bytes(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.size;
}

function megabytes(size: number): string {
  return size >= 10 * GIGABYTE ? `${Math.round(size / GIGABYTE)} GiB` : `${(size / 1024 ** 2).toFixed(size < 10 * 1024 ** 2 ? 1 : 0)} MiB`;
}

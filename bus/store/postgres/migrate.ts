import { Misconfigured } from '../../errors.js';
import { MIGRATIONS } from './schema.js';
import type { Server } from './server.js';

/** Brings the tables up to date: all or nothing, and one node at a time however many start at once. */
export async function migrate(server: Server, schema: string): Promise<void> {
  const connection = await server.connect();
  try {
    await connection.query('BEGIN');
    await connection.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`signalbox:${schema}`]);
    const there = await connection.query('SELECT 1 FROM pg_namespace WHERE nspname = $1', [schema]);
    // IF NOT EXISTS wants the right to create also where there is nothing to create.
    if (there.length === 0) await connection.query(`CREATE SCHEMA "${schema}"`);
    const [table] = await connection.query<{ readonly found: boolean }>("SELECT to_regclass('migration') IS NOT NULL AS found");
    if (table?.found !== true) await connection.query('CREATE TABLE migration (number integer PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())');
    const [last] = await connection.query<{ readonly number: number }>('SELECT coalesce(max(number), 0) AS number FROM migration');
    const done = last?.number ?? 0;
    if (done > MIGRATIONS.length) throw new Misconfigured('E532', `the tables in schema ${schema} have number ${done}, this version knows ${MIGRATIONS.length}`);
    for (const [index, step] of MIGRATIONS.entries()) {
      if (index < done) continue;
      for (const statement of step.split(/;\s*\n/)) if (statement.trim() !== '') await connection.query(statement);
      await connection.query('INSERT INTO migration (number) VALUES ($1)', [index + 1]);
    }
    await connection.query('COMMIT');
  } catch (error) {
    await connection.release(error);
    throw server.failure(error);
  }
  await connection.release();
}

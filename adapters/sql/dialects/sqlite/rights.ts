import { accessSync, constants } from 'node:fs';
import type { Session } from '../dialect.js';

/** SQLite has no accounts: who may write the file may do everything. */
export async function mayWrite(session: Session): Promise<boolean> {
  const { rows } = await session.query("SELECT file FROM pragma_database_list WHERE name = 'main'");
  try {
    accessSync(String(rows[0]?.[0]), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

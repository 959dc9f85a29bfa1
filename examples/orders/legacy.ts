import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';

const CUSTOMERS = ['815', '1020', '77', '40021'];
const COUNTRIES = ['276', '040', '756', '840'];
const ARTICLES = ['A-100', 'B-7', 'C-31', 'S-9'];

/** The legacy ERP of the demo: it owns its tables and keeps writing orders into them. */
export class LegacyErp {
  private readonly db: Database.Database;
  private next = 4711;

  constructor(private readonly directory: string) {
    this.db = new Database(join(directory, 'legacy.db'));
    this.db.exec(`
      PRAGMA journal_mode = WAL;
      CREATE TABLE ORD_HEAD (ORD_NO INTEGER PRIMARY KEY, CUST TEXT, CTRY TEXT, CUR TEXT, DUE_DT TEXT, AMT TEXT, STATUS TEXT);
      CREATE TABLE ORD_LINE (ORD_NO INTEGER, LINE_NO INTEGER, ART TEXT, KND TEXT, QTY INTEGER, PRICE NUMERIC, PRIMARY KEY (ORD_NO, LINE_NO));`);
    const reporting = new Database(join(directory, 'reporting.db'));
    reporting.exec('CREATE TABLE orders (number TEXT PRIMARY KEY, source TEXT, customer TEXT, country TEXT, due TEXT, total NUMERIC, lines INTEGER)');
    reporting.close();
  }

  /** Every seventh order is a draft, every eleventh names a country nobody has in the table. */
  addOrder(): number {
    const number = this.next++;
    const country = number % 11 === 0 ? '999' : pick(COUNTRIES, number);
    const cents = (number * 7919) % 250_000;
    const amount = `${Math.floor(cents / 100)},${String(cents % 100).padStart(2, '0')}`;
    const status = number % 7 === 3 ? 'DRAFT' : 'OPEN';
    this.db.transaction(() => {
      this.db.prepare('INSERT INTO ORD_HEAD VALUES (?, ?, ?, ?, ?, ?, ?)').run(number, pick(CUSTOMERS, number), country, 'EUR', '20260301', amount, status);
      for (let line = 1; line <= 1 + (number % 3); line++) {
        const article = pick(ARTICLES, number + line);
        this.db.prepare('INSERT INTO ORD_LINE VALUES (?, ?, ?, ?, ?, ?)').run(number, line, article, article.startsWith('S') ? 'SERVICE' : 'GOODS', line, '19.90');
      }
    })();
    return number;
  }

  /** The web shop drops a file with two orders. */
  dropFile(): void {
    const number = this.next++;
    const rows = [`W${number};1020;de;24.12.2026;49.90`, `W${number}-B;77;ch;24.12.2026;1500.00`];
    writeFileSync(join(this.directory, 'drop', `shop-${number}.csv`), `${rows.join('\r\n')}\r\n`);
  }

  close(): void {
    this.db.close();
  }
}

function pick(list: readonly string[], index: number): string {
  return list[index % list.length] ?? '';
}

// `query`: own SQL with a watermark.
import { z } from 'zod';
import { identifier, type SpecFinding } from '../../contract/index.js';
import type { Connect, Read } from '../config.js';
import { parseStatement } from '../statement.js';
import type { Strategy } from './strategy.js';

const sql = z.string().min(1).max(20_000);

export const query = z
  .strictObject({
    sql: sql.meta({
      title: 'SQL',
      description: 'One SELECT that takes the greatest watermark read so far as the parameter :watermark. It is run as a subselect, ordered by the watermark and in pages.',
      examples: ['select * from ORD_HEAD where CHG_TS > :watermark'],
    }),
    watermark: identifier().meta({ title: 'Watermark', description: 'Column of the result that grows with every change.', examples: ['CHG_TS'] }),
    initial: z
      .union([z.string().min(1), z.int()])
      .optional()
      .meta({ title: 'First watermark', description: 'What :watermark is before anything was read.', examples: ['2026-01-01 00:00:00', 0] }),
    initial_sql: sql
      .optional()
      .meta({ title: 'First SQL', description: 'Instead of `initial`: a SELECT without :watermark for as long as nothing was read.', examples: ['select * from ORD_HEAD'] }),
    nulls: z
      .enum(['refuse', 'ignore'])
      .default('refuse')
      .meta({ title: 'Rows without a watermark', description: 'refuse: the endpoint stops when it meets one. ignore: they are left out and counted in the log.' }),
  })
  .meta({
    title: 'Query',
    description: 'Own SQL with :watermark, for what a table and columns cannot say: joins, conditions, an overlap.',
    examples: [{ sql: 'select * from ORD_HEAD where CHG_TS > :watermark', watermark: 'CHG_TS', initial: '2026-01-01' }],
  });
export type QueryOptions = z.output<typeof query>;

export const queryStrategy: Strategy = {
  needs: [],
  lint: lintQuery,
  fields: ({ query: options }) => (options ? { [options.watermark]: 'any' } : {}),
};

function lintQuery(read: Read, { driver }: Connect): readonly SpecFinding[] {
  const { query: options } = read;
  const findings: SpecFinding[] = [...lintOwnSql(read, 'query', driver)];
  const warn = (path: SpecFinding['path'], message: string, fix?: string) => findings.push({ severity: 'warning', path, message, ...(fix === undefined ? {} : { fix }) });
  const refuse = (path: SpecFinding['path'], message: string, fix?: string) => findings.push({ severity: 'error', path, message, ...(fix === undefined ? {} : { fix }) });
  if (!options) return findings;
  const parsed = parseStatement(options.sql);
  if (typeof parsed === 'string') refuse(['query', 'sql'], parsed);
  else {
    const others = [...parsed.parameters].filter((name) => name !== 'watermark');
    if (others.length > 0) refuse(['query', 'sql'], `the only parameter is :watermark, there is :${others.join(' :')}`);
    if (!parsed.parameters.has('watermark')) refuse(['query', 'sql'], 'without :watermark every poll reads everything', 'where CHG_TS > :watermark, or use bulk for a full load');
    if (/:watermark/.test(options.sql) && !/>=?\s*\(?\s*(cast\s*\(\s*)?:watermark/i.test(options.sql)) warn(['query', 'sql'], 'the rows should be those above :watermark');
  }
  if ((options.initial === undefined) === (options.initial_sql === undefined)) {
    refuse(['query'], 'what is read first must be said, in one way', 'initial: a value for :watermark, or initial_sql: a SELECT without it');
  }
  const first = options.initial_sql === undefined ? undefined : parseStatement(options.initial_sql);
  if (typeof first === 'string') refuse(['query', 'initial_sql'], first);
  else if (first && first.parameters.size > 0) refuse(['query', 'initial_sql'], 'there is no watermark yet: expected a SELECT without parameters');
  warn(
    ['query', 'sql'],
    `a row that is committed late, with a ${options.watermark} that was passed, is missed; so is one that gets the ${options.watermark} of the last row read`,
    'let the SQL reach back, such as CHG_TS >= :watermark minus 5 minutes: what was read before is recognised',
  );
  warn(['query', 'sql'], 'deleted rows are not seen: reading finds what is there');
  if (options.nulls === 'ignore')
    warn(['query', 'nulls'], `rows without a ${options.watermark} are never read`, 'let the SQL give them one: coalesce(CHG_TS, CREATED_AT) as CHG_TS');
  return findings;
}

/** What `query` and a `bulk` with SQL of its own have in common. */
export function lintOwnSql({ table, include }: Read, strategy: string, driver: Connect['driver']): readonly SpecFinding[] {
  const findings: SpecFinding[] = [];
  if (table !== undefined) findings.push({ severity: 'error', path: ['table'], message: `${strategy} reads what its SQL says, not a table`, fix: 'leave out table' });
  if (Object.keys(include).length > 0) findings.push({ severity: 'error', path: ['include'], message: 'child rows belong to a table', fix: 'join them in the SQL' });
  if (driver !== 'sqlite' && driver !== 'postgres' && driver !== 'mariadb') {
    findings.push({ severity: 'warning', path: [strategy, 'sql'], message: 'the SQL is run as a subselect: some databases take no ORDER BY and no WITH there' });
  }
  return findings;
}

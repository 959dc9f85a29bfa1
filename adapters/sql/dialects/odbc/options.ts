import { z } from 'zod';
import { secret } from '../../../contract/index.js';
import { limits, times } from '../server.js';

export const PAGINGS = ['limit', 'fetch_first', 'top', 'skip_first', 'none'] as const;
export type Paging = (typeof PAGINGS)[number];

/** Keys of connection strings that cannot load code, name a file of settings or carry a password. Drivers know some of them each. */
export const SETTINGS = [
  'Server',
  'Servername',
  'Host',
  'Hostname',
  'System',
  'Port',
  'Service',
  'Protocol',
  'Network',
  'NetworkAddress',
  'Database',
  'DB',
  'DBQ',
  'DBName',
  'Catalog',
  'Schema',
  'CurrentSchema',
  'DefaultLibraries',
  'Naming',
  'CCSID',
  'Charset',
  'ClientCharset',
  'ClientEncoding',
  'Client_Locale',
  'DB_Locale',
  'Language',
  'APP',
  'ApplicationName',
  'SSL',
  'SSLmode',
  'Security',
  'Encrypt',
  'Encryption',
  'TDS_Version',
  'ConnectTimeout',
  'LoginTimeout',
  'Timeout',
  'KeepaliveTime',
  'KeepaliveInterval',
  'ReadOnly',
  'ConnectionType',
  'CommitMode',
  'BoolsAsChar',
  'MaxVarcharSize',
  'MaxLongVarcharSize',
  'UseServerSidePrepare',
  'NoTXN',
  'StepAPI',
] as const;

export const odbcConnect = z
  .strictObject({
    driver: z.literal('odbc').meta({
      title: 'Driver',
      description:
        'Any database with an ODBC driver, through unixODBC: DB2 for i, Informix, Sybase, Access, dBase. The driver runs inside Signalbox: if it crashes, Signalbox does.',
    }),
    dsn: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9_. -]{0,62}$/, 'expected the name of a data source')
      .optional()
      .meta({ title: 'Data source', description: 'Name of a data source in odbc.ini.', examples: ['LEGACY_ERP'] }),
    odbc_driver: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9_.,() -]{0,62}$/, 'expected the name of an installed driver, not a file')
      .optional()
      .meta({ title: 'ODBC driver', description: 'Name of an installed driver, a section of odbcinst.ini; never a file.', examples: ['IBM i Access ODBC Driver'] }),
    settings: z
      .partialRecord(
        z.enum(SETTINGS),
        z
          .string()
          .min(1)
          .max(500)
          .regex(/^[^\0\r\n]+$/, 'expected one line'),
      )
      .default({})
      .meta({ title: 'Settings', description: "The driver's own settings, from a fixed list of keys.", examples: [{ System: 'as400.corp.local', DefaultLibraries: 'ERPDATA' }] }),
    user: z.string().min(1).optional().meta({ title: 'User', description: 'Account to log in with; give it no more rights than the endpoints need.' }),
    password: secret().optional().meta({ title: 'Password', description: 'Password of the account.' }),
    paging: z.enum(PAGINGS).optional().meta({
      title: 'Paging',
      description:
        'How a statement asks for its first rows: LIMIT n, FETCH FIRST n ROWS ONLY, TOP n, FIRST n; none: it does not, and fewer rows are fetched. Without it: by the name of the database, and none for an unknown one.',
    }),
    isolation: z.enum(['read_uncommitted', 'read_committed', 'repeatable_read', 'serializable', 'driver']).default('read_committed').meta({
      title: 'Isolation',
      description: 'Isolation of reading. Child rows of `include` are surely of one moment only from repeatable_read on, which may hold locks. driver: what the driver is set to.',
      advanced: true,
    }),
    text: z.enum(['unicode', 'utf8', 'latin1']).default('unicode').meta({
      title: 'Text',
      description: 'How text goes to and from the driver: as Unicode (UTF-16), or for drivers that cannot as bytes in UTF-8 or ISO 8859-1.',
      advanced: true,
    }),
    library: z
      .enum(['libodbc.so.2', 'libodbc.so.1', 'libodbc.so', 'libodbc.2.dylib', 'odbc32.dll'])
      .default('libodbc.so.2')
      .meta({ title: 'Driver manager', description: 'Library of the driver manager of this machine.', advanced: true }),
    ...times,
    connections: limits.connections,
    connect_timeout: limits.connect_timeout,
    statement_timeout: limits.statement_timeout,
  })
  .superRefine(({ dsn, odbc_driver }, context) => {
    if ((dsn === undefined) === (odbc_driver === undefined)) context.addIssue({ code: 'custom', path: [], message: 'expected one of dsn and odbc_driver' });
  });

import type { CodeTable } from './code.js';

/** E4xx: talking to a system outside: connections, credentials, answers. */
export const endpointCodes = {
  E400: {
    title: 'the system cannot be reached',
    meaning: 'No connection could be made, or it was lost. Messages for it wait; nothing is dropped.',
    fix: 'Check host, port and network; `signalbox systems test <name>` goes through the steps.',
  },
  E420: {
    title: 'the database cannot be reached',
    meaning: 'No connection to the database could be made, or it was lost. Nothing was changed that was not committed.',
    fix: 'Check host, port and network, and whether the database runs; `signalbox systems test <name>` goes through the steps.',
  },
  E421: {
    title: 'the database refused the login',
    meaning: 'User, password, database name or TLS certificate were not accepted.',
    fix: 'Check user, password and database in `connect`, and `tls.ca` if the certificate is signed by an own authority.',
  },
  E422: {
    title: 'a table or column does not exist',
    meaning: 'The configuration or a mapping names a table or column that the database does not have.',
    fix: 'Correct the name; the message lists names that are there.',
  },
  E423: {
    title: 'the database account lacks a right',
    meaning: 'The account of the system may not do what the endpoint needs.',
    fix: "Grant the right named in the message; the adapter's page lists the grants of each endpoint.",
  },
  E424: {
    title: 'the database is busy',
    meaning: 'A deadlock, a lock or a statement timeout ended the transaction. It was rolled back and is tried again.',
    fix: 'If it repeats: look for long transactions and locks at the database, or raise `statement_timeout` or `lock_timeout`.',
  },
  E425: {
    title: 'the inbox table is missing',
    meaning: 'Deliveries are recorded in the table signalbox_inbox so that none is applied twice, and it is not there.',
    fix: 'Let an administrator run the statement in the message, or give the account the right to create the table.',
  },
  E426: {
    title: 'the endpoint does not fit the table',
    meaning: 'The table has no key, cursor or unique index as the configuration says, or the saved position belongs to another configuration or another database.',
    fix: 'Follow the message. To read everything again, reset the checkpoint of the endpoint.',
  },
  E427: {
    title: 'the database refused the statement',
    meaning: 'The SQL of a call, or a type in it, is not valid for this database.',
    fix: 'Try the statement in a database client with the same account.',
  },
} as const satisfies CodeTable;

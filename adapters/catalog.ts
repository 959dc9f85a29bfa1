import type { AdapterSpec } from './contract/spec.js';
import file from './file/index.js';
import ftp from './ftp/index.js';
import rest from './rest/index.js';
import sftp from './sftp/index.js';
import sql from './sql/index.js';

/** The adapters that come with Signalbox: specs only, no client library is loaded. */
export const catalog: readonly AdapterSpec[] = [file, ftp, rest, sftp, sql];

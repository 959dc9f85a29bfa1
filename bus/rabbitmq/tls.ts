import { readFileSync } from 'node:fs';
import { describe, Misconfigured } from '../errors.js';

/** Files in PEM form. They are read at every connection, so that a renewed certificate is used without a restart. */
export interface TlsFiles {
  /** Authority that signed the broker's certificate; the authorities of Node when absent. */
  readonly caFile?: string;
  /** Our own certificate and its key, for a broker that asks for one. */
  readonly certFile?: string;
  readonly keyFile?: string;
  /** Name in the broker's certificate when it is not the host of the URL. */
  readonly servername?: string;
}

/** Options for the TLS socket. The broker's certificate and its name are always verified. @throws Misconfigured E517 */
export function tlsOptions({ caFile, certFile, keyFile, servername }: TlsFiles): {
  readonly ca?: Buffer[];
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly servername?: string;
} {
  return {
    ...(caFile === undefined ? {} : { ca: [read(caFile)] }),
    ...(certFile === undefined ? {} : { cert: read(certFile) }),
    ...(keyFile === undefined ? {} : { key: read(keyFile) }),
    ...(servername === undefined ? {} : { servername }),
  };
}

/** The handshake failed because of a certificate, ours or the broker's. */
export function isTlsRefusal(error: unknown): boolean {
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
  return /^(CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|ERR_TLS_|ERR_SSL_|ERR_OSSL_|HOSTNAME_MISMATCH|INVALID_CA)/.test(code);
}

function read(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new Misconfigured('E517', `${file} cannot be read: ${describe(error)}`, { cause: error });
  }
}

import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A certificate authority of our own in a directory: `<name>.pem` and `<name>.key` for each certificate, `ca.pem` for itself. */
export function createAuthority(directory: string): { issue(name: string, commonName: string, alternative: string): void } {
  const file = (name: string): string => join(directory, name);
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { stdio: 'ignore' });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl('req', '-x509', ...newKey, '-keyout', file('ca.key'), '-out', file('ca.pem'), '-days', '2', '-subj', '/CN=an authority of the tests');
  return {
    issue(name, commonName, alternative) {
      writeFileSync(file(`${name}.ext`), `subjectAltName=${alternative}\n`);
      openssl('req', ...newKey, '-keyout', file(`${name}.key`), '-out', file(`${name}.csr`), '-subj', `/CN=${commonName}`);
      const signed = ['-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-CAcreateserial', '-days', '2', '-extfile', file(`${name}.ext`)];
      openssl('x509', '-req', '-in', file(`${name}.csr`), '-out', file(`${name}.pem`), ...signed);
    },
  };
}

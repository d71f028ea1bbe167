/**
 * What a command shows to peers, and has them show: user and password, and over TLS certificates.
 *
 * Owns which of these settings go together, and reading their files. Whom to ask is target.ts's, the handshake src/network's. Invariant: credentials that come out are whole: what was meant to go
 * over TLS does, and a user has a password.
 */
import { readPublicFile } from '../peer/clientCertificate.ts';
import { readClientPassword } from '../peer/clientPassword.ts';
import { assertTlsMaterial } from '../network/tls.ts';
import type { TlsTrust } from '../network/tls.ts';
import { gather, readSecret } from '../peer/faultReport.ts';
import type { FaultReport } from '../peer/faultReport.ts';
import { readSecretFile } from '../peer/secretFiles.ts';
import type { Settings, TunableName } from '../peer/tunables.ts';
import type { Credentials } from './connection.ts';

/** From the same sources as those of `serve`. */
export const CREDENTIAL_SETTINGS: readonly TunableName[] = [
  'clientPasswordFile',
  'clientUser',
  'tls',
  'tlsCaFile',
  'tlsCertificateFile',
  'tlsKeyFile',
];

const TLS_FILES = ['tlsCaFile', 'tlsCertificateFile', 'tlsKeyFile'] as const;

/** What is wrong is reported; what comes out then is of no use. */
export async function readCredentials(settings: Settings, faults: FaultReport): Promise<Credentials> {
  const { clientPasswordFile, clientUser: user, tls: isTls } = settings;
  const password = await readSecret(clientPasswordFile, faults, readClientPassword);
  if (user !== undefined && clientPasswordFile === undefined)
    faults.push(
      `${faults.called('clientUser')} is '${user}', and no password was given; name a file with the user's own with --client-password-file, or leave the user out`,
    );
  if (isTls === true) return { password, user, tls: await gather(faults, () => readTrust(settings, faults)) };
  // Said to be off, the files that the other commands use may stay where they are.
  if (isTls === undefined)
    for (const name of TLS_FILES)
      if (settings[name] !== undefined)
        faults.push(`${faults.called(name)} is for TLS, which was not asked for; add --tls (or --no-tls)`);
  return { password, user };
}

async function readTrust(
  { tlsCaFile, tlsCertificateFile, tlsKeyFile }: Settings,
  faults: FaultReport,
): Promise<TlsTrust> {
  if ((tlsCertificateFile === undefined) !== (tlsKeyFile === undefined))
    faults.push(
      'a certificate to show to peers needs its key, and the other way round; give both --tls-certificate-file and --tls-key-file, or neither',
    );
  const read = <T>(file: string | undefined, reading: (path: string) => Promise<T>): Promise<T | undefined> =>
    readSecret(file, faults, reading);
  const trust = {
    authority: await read(tlsCaFile, (path) => readPublicFile(path, "authority of the peers' certificates")),
    certificate: await read(tlsCertificateFile, (path) => readPublicFile(path, 'certificate for peers')),
    key: await read(tlsKeyFile, (path) => readSecretFile(path, 'key of the certificate for peers')),
  };
  assertTlsMaterial(trust);
  return trust;
}

/**
 * The certificate that Redis clients are shown over TLS, from its files.
 *
 * Owns which files there are, and reading them again while a server runs. Leaves the handshake to src/network, the key file's mode to secretFiles.ts. Invariant: a certificate that does not fit its
 * key is refused before anybody is shown it, and no message quotes either.
 */
import { readFile } from 'node:fs/promises';
import { ToposphereError } from '../core/errors.ts';
import { errorCode } from '../network/tcp.ts';
import { assertTlsMaterial } from '../network/tls.ts';
import type { TlsMaterial } from '../network/tls.ts';
import type { Log } from './logger.ts';
import type { FurtherFile } from './reloading.ts';
import { readSecretFile } from './secretFiles.ts';

export interface CertificateFiles {
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly authorityFile: string | undefined;
}

/** Rejects with BAD_CONFIGURATION. */
export async function readClientCertificate(files: CertificateFiles): Promise<TlsMaterial> {
  const { certificateFile, keyFile, authorityFile } = files;
  const material = {
    certificate: await readPublicFile(certificateFile, 'certificate for Redis clients'),
    key: await readSecretFile(keyFile, 'key of the certificate for Redis clients'),
    authority:
      authorityFile === undefined
        ? undefined
        : await readPublicFile(authorityFile, "authority for Redis clients' certificates"),
  };
  try {
    assertTlsMaterial(material);
  } catch (error) {
    if (!(error instanceof ToposphereError)) throw error;
    throw new ToposphereError('BAD_CONFIGURATION', `${certificateFile}, ${keyFile}: ${error.message}`);
  }
  return material;
}

/** A file that anybody may read; `what` names its content in messages. Rejects with BAD_CONFIGURATION. */
export async function readPublicFile(path: string, what: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new ToposphereError(
      'BAD_CONFIGURATION',
      `${path}: ${what} cannot be read (${errorCode(error)}); correct the path`,
    );
  }
}

/** The files of a server that runs. */
export function followClientCertificate(
  files: CertificateFiles,
  take: (material: TlsMaterial) => void,
  log: Log,
): FurtherFile {
  return {
    async read() {
      const material = await readClientCertificate(files);
      return () => {
        take(material);
        const said = `${files.certificateFile} was read again: new connections are shown what it holds`;
        log('certificateReread', said, { path: files.certificateFile });
        return said;
      };
    },
  };
}

/**
 * From settings to checked options of what stands in front of a peer: the server of Redis clients, and HTTP.
 *
 * Owns their relations to the peer's own ports, and the rule that nobody serves strangers without having said so. The peer's own options are configuration.ts's, the range of one
 * setting tunableValue.ts's. Invariant: beyond loopback somebody asks who a client is, or was told by name not to.
 */
import type { TlsMaterial } from '../network/tls.ts';
import type { AcknowledgementLevel } from './backend.ts';
import { readClientCertificate } from './clientCertificate.ts';
import type { CertificateFiles } from './clientCertificate.ts';
import { readClientPassword } from './clientPassword.ts';
import { readClientUsers } from './clientUsers.ts';
import type { ClientUser } from './clientUsers.ts';
import { EVENT_LETTERS, parseEventClasses } from './eventClasses.ts';
import { gather, readSecret } from './faultReport.ts';
import type { FaultReport } from './faultReport.ts';
import { canonicalHost, clientPortOf, httpPortOf, isLoopback } from './serversFile.ts';
import type { ServerLine } from './serversFile.ts';
import { ACKNOWLEDGEMENT_LEVELS, TUNABLES } from './tunables.ts';
import type { NameOfKind, Settings } from './tunables.ts';
import { numberOf } from './tunableValue.ts';

/** Checked options of the Redis server in front of a peer. */
export interface ClientOptions {
  readonly host: string;
  readonly port: number;
  readonly acknowledge: AcknowledgementLevel;
  /** Left out: none is asked for. */
  readonly password?: string;
  /** Where it came from, to be read again while the server runs. */
  readonly passwordFile?: string | undefined;
  /** Left out: there are no named users. */
  readonly users?: readonly ClientUser[];
  readonly usersFile?: string | undefined;
  /** Nobody is asked for a password, because it was said so by name. */
  readonly isOpen: boolean;
  /** Left out: there is no port for TLS. */
  readonly tls?: TlsOptions;
  /** How long a client that has not given a password may stay. */
  readonly unauthenticatedClientMs: number;
  /** What is remembered for clients that track. */
  readonly maxTrackedKeys: number;
  /** What one client may queue behind MULTI. */
  readonly maxTransactionBytes: number;
  readonly maxClients: number;
  readonly clientIdleMs: number;
  readonly clientStalledMs: number;
  readonly slowCommandMicroseconds: number;
  readonly slowCommandsKept: number;
  /** Of eventClasses.ts. */
  readonly keyspaceEventClasses: number;
}

interface TlsOptions {
  readonly host: string;
  readonly port: number;
  readonly material: TlsMaterial;
  /** Where that came from, to be read again while the server runs. */
  readonly files: CertificateFiles;
}

/** Where /healthz, /ready and /metrics are served. */
export interface HttpOptions {
  readonly host: string;
  readonly port: number;
}

export async function checkClients(
  settings: Settings,
  own: ServerLine | undefined,
  faults: FaultReport,
): Promise<ClientOptions> {
  const given = settings.clientHost ?? own?.address ?? '127.0.0.1';
  const host = canonicalHost(given);
  if (host === undefined)
    faults.push(`${faults.called('clientHost')} is '${given}'; give an address of this machine`);
  else checkClientAccess(settings, host, faults);
  const password = await readSecret(settings.clientPasswordFile, faults, readClientPassword);
  const users = await readSecret(settings.clientUsersFile, faults, readClientUsers);
  const port = numberOf('clientPort', settings) ?? (own ? clientPortOf(own) : 0);
  if (own && port === own.port)
    faults.push(`${faults.called('clientPort')} is ${port}, the port of '${own.id}' itself; choose another`);
  const tls = await checkTls(settings, own, { host: host ?? given, port }, faults);
  const level = settings.acknowledge ?? TUNABLES.acknowledge.default;
  const acknowledge = ACKNOWLEDGEMENT_LEVELS.find((known) => known === level);
  const limitOf = (name: NameOfKind<'number'>): number => numberOf(name, settings) ?? 0;
  return {
    host: host ?? given,
    port,
    acknowledge: acknowledge ?? TUNABLES.acknowledge.default,
    isOpen: settings.openClients ?? false,
    ...(tls === undefined ? {} : { tls }),
    unauthenticatedClientMs: limitOf('unauthenticatedClientMs'),
    maxTrackedKeys: limitOf('maxTrackedKeys'),
    maxTransactionBytes: limitOf('maxTransactionBytes'),
    maxClients: limitOf('maxClients'),
    clientIdleMs: limitOf('clientIdleMs'),
    clientStalledMs: limitOf('clientStalledMs'),
    slowCommandMicroseconds: limitOf('slowCommandMicroseconds'),
    slowCommandsKept: limitOf('slowCommandsKept'),
    keyspaceEventClasses: checkEventClasses(settings, faults),
    ...(password === undefined ? {} : { password, passwordFile: settings.clientPasswordFile }),
    ...(users === undefined ? {} : { users, usersFile: settings.clientUsersFile }),
  };
}

function checkEventClasses({ notifyKeyspaceEvents: letters = '' }: Settings, faults: FaultReport): number {
  const classes = parseEventClasses(letters);
  if (classes === undefined)
    faults.push(
      `${faults.called('notifyKeyspaceEvents')} is '${letters}'; use some of the letters ${EVENT_LETTERS}, as KEA, or leave it out`,
    );
  return classes ?? 0;
}

const TLS_FILES = ['clientTlsCertificateFile', 'clientTlsKeyFile', 'clientTlsCaFile'] as const;

/** The port for TLS, if there is to be one: all that it needs, or what is missing. */
async function checkTls(
  settings: Settings,
  own: ServerLine | undefined,
  plain: { readonly host: string; readonly port: number },
  faults: FaultReport,
): Promise<TlsOptions | undefined> {
  const port = numberOf('clientTlsPort', settings);
  const { clientTlsCertificateFile: certificateFile, clientTlsKeyFile: keyFile } = settings;
  if (port === undefined) {
    for (const name of [...TLS_FILES, 'clientTlsHost'] as const)
      if (settings[name] !== undefined)
        faults.push(
          `${faults.called(name)} is for Redis clients over TLS, and no port is; add --client-tls-port, or leave it out`,
        );
    return undefined;
  }
  const given = settings.clientTlsHost ?? plain.host;
  const host = canonicalHost(given);
  if (host === undefined)
    faults.push(`${faults.called('clientTlsHost')} is '${given}'; give an address of this machine`);
  else if (settings.clientTlsHost !== undefined) checkClientAccess(settings, host, faults);
  if (port === plain.port || port === own?.port)
    faults.push(
      `${faults.called('clientTlsPort')} is ${port}, which the peer or its other Redis clients use; choose another`,
    );
  if (certificateFile === undefined || keyFile === undefined) {
    const missing = [certificateFile ?? '--client-tls-certificate-file', keyFile ?? '--client-tls-key-file'];
    faults.push(
      `${faults.called('clientTlsPort')} is ${port}, and TLS needs a certificate and its key; add ${missing.filter((word) => word.startsWith('--')).join(' and ')}, or leave the port out`,
    );
    return undefined;
  }
  const files = { certificateFile, keyFile, authorityFile: settings.clientTlsCaFile };
  const material = await gather(faults, () => readClientCertificate(files));
  return material && { host: host ?? given, port, material, files };
}

/** Nobody serves strangers without having said so. */
function checkClientAccess(settings: Settings, host: string, faults: FaultReport): void {
  const { openClients = false } = settings;
  const given = (['clientPasswordFile', 'clientUsersFile'] as const).filter(
    (name) => settings[name] !== undefined,
  );
  if (openClients && given.length > 0) {
    for (const name of given)
      faults.push(
        `${faults.called(name)} gives ${name === 'clientUsersFile' ? 'passwords' : 'a password'} for Redis clients, ${faults.mentioned('openClients')} says that they need none; leave one of them out`,
      );
  } else if (!openClients && given.length === 0 && !isLoopback(host)) {
    faults.push(
      `Redis clients at ${host} would need no password; give one with --client-password-file or --client-users-file, serve this machine alone with --client-host 127.0.0.1, or add --open-clients to go without`,
    );
  }
}

/** Asks for no password, ever: what it shows is for whoever may reach Redis clients' port. */
export function checkHttp(
  settings: Settings,
  own: ServerLine | undefined,
  clients: ClientOptions,
  faults: FaultReport,
): HttpOptions | undefined {
  const given = settings.httpHost ?? clients.host;
  const host = canonicalHost(given);
  const port = numberOf('httpPort', settings) ?? (own ? httpPortOf(own) : 0);
  if (port === 0) return undefined;
  const isOpened =
    settings.openClients === true ||
    settings.clientPasswordFile !== undefined ||
    settings.clientUsersFile !== undefined;
  if (settings.httpHost !== undefined && host === undefined) {
    faults.push(`${faults.called('httpHost')} is '${given}'; give an address of this machine`);
  } else if (settings.httpHost !== undefined && !isLoopback(host ?? given) && !isOpened) {
    faults.push(
      `HTTP at ${host ?? given} would be open to whoever reaches it; add --open-clients to allow that, give Redis clients a password, or use --http-host 127.0.0.1`,
    );
  }
  if (port === own?.port || port === clients.port || port === clients.tls?.port)
    faults.push(
      `${faults.called('httpPort')} is ${port}, which the peer or its Redis clients use; choose another, or 0 for none`,
    );
  return { host: host ?? given, port };
}

/**
 * What the error of a TLS connection means: what the other side was seen to do, in words.
 *
 * Owns the codes of OpenSSL and Node.js. What to do about it is the caller's to say, who knows what its options are called. Invariant: an error that is not known here is no fault of TLS, never
 * guessed to be one.
 */
import { errorCode } from './tcp.ts';

/** plain: it speaks no TLS. otherName, notInTime, untrusted: of its certificate. own: of the one that it was shown, or was not. */
export type TlsFaultKind = 'plain' | 'otherName' | 'notInTime' | 'untrusted' | 'own';

interface TlsFault {
  readonly kind: TlsFaultKind;
  /** To go on with behind the other side's name: 'does not speak TLS there'. */
  readonly seen: string;
}

// prettier-ignore
const FAULTS: ReadonlyMap<string, TlsFault> = new Map<string, TlsFault>([
  ['ERR_SSL_WRONG_VERSION_NUMBER', { kind: 'plain', seen: 'does not speak TLS there' }],
  ['CERT_NOT_YET_VALID', { kind: 'notInTime', seen: 'shows a certificate that is not valid yet' }],
  ['CERT_HAS_EXPIRED', { kind: 'notInTime', seen: 'shows a certificate that has expired' }],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', { kind: 'untrusted', seen: 'shows a certificate that signs itself' }],
  ['SELF_SIGNED_CERT_IN_CHAIN', { kind: 'untrusted', seen: 'shows a certificate of an authority that is not trusted here' }],
  ['UNABLE_TO_GET_ISSUER_CERT', { kind: 'untrusted', seen: 'shows a certificate of an authority that is not known here' }],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', { kind: 'untrusted', seen: 'shows a certificate of an authority that is not known here' }],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', { kind: 'untrusted', seen: 'shows a certificate of an authority that is not known here' }],
  ['CERT_SIGNATURE_FAILURE', { kind: 'untrusted', seen: 'shows a certificate that its authority has not signed' }],
  ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', { kind: 'own', seen: 'asks for a certificate, and was shown none' }],
  ['ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', { kind: 'own', seen: 'broke the handshake off, as who was shown no certificate does' }],
  ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', { kind: 'own', seen: 'does not know the authority of the certificate that it was shown' }],
  ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED', { kind: 'own', seen: 'was shown a certificate that has expired' }],
]);

/** Undefined for an error that has nothing to do with TLS. */
export function findTlsFault(error: unknown): TlsFault | undefined {
  const code = errorCode(error);
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return { kind: 'otherName', seen: `shows a certificate of another name (${namesIn(error)})` };
  return FAULTS.get(code);
}

/** `IP Address:10.0.0.1, DNS:shop` as `10.0.0.1, shop`. */
function namesIn(error: unknown): string {
  const { cert } = error as { readonly cert?: { readonly subjectaltname?: string } };
  const names = cert?.subjectaltname?.replaceAll(/(?:IP Address|DNS):/g, '');
  return names === undefined || names === '' ? 'it holds no address and no name' : `it is for ${names}`;
}

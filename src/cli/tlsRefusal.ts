/**
 * What a command says when TLS is what stands between it and a peer.
 *
 * Owns the advice for each fault, in the words of the command line's own options. What was seen is src/network/tlsFaults.ts's. Invariant: one line, which says what to do.
 */
import { findTlsFault } from '../network/tlsFaults.ts';
import type { TlsFaultKind } from '../network/tlsFaults.ts';
import { PeerRefusal } from './failure.ts';

const ADVICE: Readonly<Record<TlsFaultKind, string>> = {
  plain: 'give the port that it serves over TLS (--client-tls-port, or --peer), or leave out --tls',
  untrusted: 'name the authority that signed it with --tls-ca-file or TOPOSPHERE_TLS_CA_FILE',
  otherName: 'name the peer as the certificate does, or give it one for the address that is asked here',
  notInTime: 'see that the clocks are right, give it another one, and send it SIGHUP',
  own: 'give one that its --client-tls-ca-file has signed, with --tls-certificate-file and --tls-key-file',
};

/** Undefined for an error that is no matter of TLS. `name` is what messages call the peer. */
export function buildTlsRefusal(name: string, error: unknown): PeerRefusal | undefined {
  const fault = findTlsFault(error);
  return fault && new PeerRefusal(`${name} ${fault.seen}: ${ADVICE[fault.kind]}`);
}

/** To end the sentence that it closed the connection with, when it had said nothing on it. */
export function describeSilentClose(isTls: boolean): string {
  return isTls
    ? ' before it said anything; does it ask for another certificate than the one that it was shown (--tls-certificate-file, --tls-key-file)?'
    : ' before it said anything; if that is its port for TLS, add --tls';
}

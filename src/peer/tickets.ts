/**
 * Tickets as text: `alpha:6475327348738:17`, the process that gave it and where it stood (core/requests.ts). It names no key, and gives no right to anything.
 */
import { ToposphereError } from '../core/errors.ts';
import type { Ticket } from '../core/requests.ts';
import type { Incarnation, PeerId } from '../core/types.ts';

const FORM = /^([A-Za-z0-9_.-]{1,32}):([0-9]{1,16}):([0-9]{1,16})$/;

export function formatTicket({ id, incarnation, sequence }: Ticket): string {
  return `${id}:${incarnation}:${sequence}`;
}

/** Throws BAD_ARGUMENT for what is none. */
export function parseTicket(text: string): Ticket {
  const [, id = '', incarnation = '', sequence = ''] = FORM.exec(text) ?? [];
  if (id === '')
    throw new ToposphereError(
      'BAD_ARGUMENT',
      'this is no ticket: hand back what TOPOSPHERE TICKET gave, whole and unchanged, or say AGAIN alone',
    );
  return {
    id: id as PeerId,
    incarnation: Number(incarnation) as Incarnation,
    sequence: Number(sequence),
  };
}

/**
 * Reading the JSON of a peer field by field.
 *
 * Owns what becomes of a field that is missing or of another type, as peers of other versions send it: nothing, never an error. What fields there are,
 * and what they mean, is the reports' (statusReport.ts, keysReport.ts, discoveryReport.ts, doctor/picture.ts).
 */
export type Fields = Readonly<Record<string, unknown>>;

/** No fields at all for what is no object. */
export function asFields(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}

export function asNumber(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

export function asText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

export function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as readonly unknown[]) : [];
}

/** The numbers of an object, by their names. */
export function asCounts(value: unknown): ReadonlyMap<string, number> {
  const counts = Object.entries(asFields(value)).filter(
    (entry): entry is [string, number] => typeof entry[1] === 'number',
  );
  return new Map(counts);
}

/**
 * The JSON schema of the configuration file, for editors: generated from the tunables.
 *
 * Owns the translation of a tunable into a schema. The file config/toposphere.schema.json is what `npm run schema`
 * wrote of it, and a test compares the two. Invariant: it allows what configurationFile.ts and tunableValue.ts allow.
 */
import { TUNABLES } from './tunables.ts';
import type { NumberTunable, TextTunable, Tunable } from './tunables.ts';

function describeNumber({ meaning, unit, minimum, maximum, raising, ...tunable }: NumberTunable): object {
  return {
    type: 'integer',
    minimum,
    maximum,
    ...(tunable.default === undefined ? {} : { default: tunable.default }),
    description: `${meaning} (${unit}); raising it: ${raising}`,
  };
}

function describeText({ meaning, choices, isPath, ...tunable }: TextTunable): object {
  // A default path begins at the working directory, and would mean something else when it is written into the file.
  const left = tunable.default === undefined ? '' : `; left out: ${tunable.default} in the working directory`;
  const description = isPath === true ? `${meaning}; relative to the folder of this file${left}` : meaning;
  return {
    type: 'string',
    ...(choices === undefined ? { minLength: 1 } : { enum: choices }),
    ...(tunable.default === undefined || isPath === true ? {} : { default: tunable.default }),
    description,
  };
}

function describeTunable(tunable: Tunable): object {
  switch (tunable.kind) {
    case 'number':
      return describeNumber(tunable);
    case 'text':
      return describeText(tunable);
    case 'flag':
      return { type: 'boolean', default: false, description: tunable.meaning };
  }
}

/** The text of config/toposphere.schema.json. */
export function renderSchema(): string {
  const settings = Object.entries(TUNABLES).map(
    ([name, tunable]) => [name, describeTunable(tunable)] as const,
  );
  const schema = {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Configuration of a Toposphere peer',
    type: 'object',
    properties: { $schema: { type: 'string' }, ...Object.fromEntries(settings) },
    additionalProperties: false,
  };
  return `${JSON.stringify(schema, undefined, 2)}\n`;
}

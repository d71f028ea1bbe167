/**
 * `npm run schema`: writes config/toposphere.schema.json anew, after a change of src/peer/tunables.ts.
 */
import { writeFile } from 'node:fs/promises';
import { renderSchema } from '../src/peer/configurationSchema.ts';

await writeFile(new URL('../config/toposphere.schema.json', import.meta.url), renderSchema());

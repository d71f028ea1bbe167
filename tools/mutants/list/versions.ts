/**
 * Versions of the protocol (src/wire/versions.ts, src/peer/peerVersions.ts): spoken to whom, and learned from what.
 */
import type { Mutant } from '../mutant.ts';

const UPGRADED = { scenario: 'test/simulator/scenarios/upgraded-one-by-one.txt' };
const APART = { scenario: 'test/simulator/scenarios/versions-apart.txt' };
const BRIDGE = { scenario: 'test/simulator/scenarios/versions-by-a-bridge.txt' };
const FILE = 'src/peer/peerVersions.ts';

export const VERSIONS: readonly Mutant[] = [
  {
    number: 'V1',
    name: 'one peer is spoken to in the highest version read here, whatever it reads',
    edits: [
      {
        file: FILE,
        find: 'return versionFor(this.#own, this.#known.get(id)?.reads);',
        replace: 'return this.#own.highest;',
      },
    ],
    kill: APART,
  },
  {
    number: 'V2',
    name: 'all are spoken to in the highest version read here, whatever they read',
    edits: [
      { file: 'src/wire/versions.ts', find: 'if (count < most) continue;', replace: 'if (false) continue;' },
    ],
    kill: UPGRADED,
  },
  {
    number: 'V3',
    name: 'nothing is learned from a packet that is not understood',
    edits: [
      {
        file: 'src/peer/arrivals.ts',
        find: "if (opened.reason === 'version') this.#noteVersions(opened);",
        replace: '',
      },
    ],
    kill: BRIDGE,
  },
  {
    number: 'V4',
    name: 'who is silent is waited for with the newer version',
    edits: [{ file: FILE, find: 'heardMs >= sinceMs', replace: 'heardMs <= sinceMs || true' }],
    kill: UPGRADED,
  },
  {
    number: 'V5',
    name: 'who does not read what is said to all is not told apart',
    edits: [
      {
        file: FILE,
        find: '!isInRange(reads, version) && !this.#isApart(reads)',
        replace: 'false',
      },
    ],
    kill: APART,
  },
  {
    number: 'V6',
    name: 'what an upgraded peer read before its upgrade still counts',
    edits: [{ file: FILE, find: '    known.reads = reads;\n', replace: '' }],
    kill: UPGRADED,
  },
];

/** The runner of mutants judged by mutants made for it: what fits, what is killed, what survives, what proves nothing. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { Judge } from '../../tools/mutants/judge.ts';
import type { Judgement } from '../../tools/mutants/judge.ts';
import { MUTANTS } from '../../tools/mutants/list/all.ts';
import { plant, SMALL } from '../../tools/mutants/mutant.ts';
import type { Edit, Kill, Mutant } from '../../tools/mutants/mutant.ts';

const ROOT = new URL('../../', import.meta.url);
const WINNER = { file: 'src/core/apply.ts', find: 'compareTags(incoming, present) <= 0' };
const TWO_SEEDS: Kill = { seeds: 2, options: SMALL };

function mutantOf(edit: Edit, kill: Kill = TWO_SEEDS): Mutant {
  return { number: 'T', name: 'made for a test', edits: [edit], kill };
}

function readSource(file: string): string {
  return readFileSync(new URL(file, ROOT), 'utf8');
}

describe('mutants', () => {
  it('says of a text that is missing, or is there twice, that the mutant must be mended', () => {
    const edit = { file: 'src/core/a.ts', find: 'x', replace: 'y' };
    const message = /mutant T no longer fits src\/core\/a\.ts: mend it/;
    assert.throws(() => plant(mutantOf(edit), () => 'nothing'), message);
    assert.throws(() => plant(mutantOf(edit), () => 'x and x'), message);
    assert.throws(() => plant(mutantOf({ ...edit, find: '' }), () => ''), message);
    assert.deepEqual([...plant(mutantOf(edit), () => 'an x')], [['src/core/a.ts', 'an y']]);
  });

  it('changes one file at two places, one after the other', () => {
    const edits = [
      { file: 'a', find: 'x', replace: '1' },
      { file: 'a', find: 'y', replace: '$&' },
    ];
    assert.equal(
      plant({ ...mutantOf({ file: '', find: '', replace: '' }), edits }, () => 'x y').get('a'),
      '1 $&',
    );
  });

  it('all fit their sources, change something, and name scenarios that are there', () => {
    assert.equal(new Set(MUTANTS.map(({ number }) => number)).size, MUTANTS.length);
    const faults: string[] = [];
    for (const mutant of MUTANTS) {
      try {
        for (const [file, text] of plant(mutant, readSource)) assert.notEqual(text, readSource(file));
      } catch (error) {
        faults.push(error instanceof Error ? error.message : String(error));
      }
      const { kill } = mutant;
      if ('scenario' in kill && !existsSync(new URL(kill.scenario, ROOT))) faults.push(kill.scenario);
    }
    assert.deepEqual(faults, []);
  });
});

describe('the judge of mutants', function () {
  this.timeout(60_000);
  let judge: Judge;

  before(async () => {
    judge = await Judge.create({ seeds: 2, hangMs: 30_000 });
  });
  after(() => judge.close());

  async function verdictOf(mutant: Mutant, by = judge): Promise<Judgement> {
    return by.judge(await by.plant(mutant));
  }

  it('kills a rule that is broken, and says by which schedule and which invariant', async () => {
    const mutant = mutantOf({ ...WINNER, replace: 'compareTags(incoming, present) === 0' });
    const { verdict, by, invariant, runs } = await verdictOf(mutant);
    assert.deepEqual([verdict, by, invariant, runs], ['killed', 'seed 1 (3 peers, 0.5 min)', 'I5', 1]);
  });

  it('lets a mutant survive that changes nothing', async () => {
    const { verdict, runs } = await verdictOf(
      mutantOf({ ...WINNER, replace: '0 >= compareTags(incoming, present)' }),
    );
    assert.deepEqual([verdict, runs], ['survived', 2]);
  });

  it('takes code that falls over for no kill', async () => {
    const { verdict, detail } = await verdictOf(mutantOf({ ...WINNER, replace: 'noSuchName' }));
    assert.equal(verdict, 'crashed');
    assert.match(detail ?? '', /noSuchName is not defined/);
  });

  it('takes a child that cannot load its build for no kill', async () => {
    const import_ = {
      file: 'src/core/apply.ts',
      find: "from './types.ts'",
      replace: "from './noSuchFile.ts'",
    };
    const { verdict, detail } = await verdictOf(mutantOf(import_));
    assert.equal(verdict, 'crashed');
    assert.match(detail ?? '', /noSuchFile/);
  });

  it('takes a child that hangs for no kill', async () => {
    const impatient = await Judge.create({ seeds: 1, hangMs: 3000 });
    try {
      const mutant = mutantOf({ ...WINNER, replace: '((): never => { for (;;); })()' });
      assert.equal((await verdictOf(mutant, impatient)).verdict, 'hung');
    } finally {
      await impatient.close();
    }
  });

  it('counts no schedule that the unmutated build does not pass', async () => {
    const scenario = 'test/simulator/scenarios.test.ts'; // no scenario at all
    const { verdict, detail } = await verdictOf(mutantOf({ ...WINNER, replace: 'true' }, { scenario }));
    assert.equal(verdict, 'invalid');
    assert.match(detail ?? '', /unmutated: refused: the scenario cannot be read/);
  });
});

/**
 * A simulated cluster whose power fails again and again while its clients write at every level: all machines at once, one that was cut off, or one whose disk is lost with it.
 *
 * Owns the workload. What counts as lost is src/simulator/lossTally.ts's, and what must not be is checked in the run itself (R1, I12).
 */
import { simulate, type Simulated, type World } from '../../src/simulator/index.ts';
import { between, chance, openStream, pick, type RandomStream } from '../../src/simulator/random.ts';

const SERVERS = 4;
const MINUTES = 0.5;
/** From one power cut to the next, milliseconds: long enough for all to take part again. */
const CUT_EVERY_MS = 3_000;
/** How long before it clients write, and how often each. */
const BURST_MS = 60;
const WRITE_EVERY_MS = 3;
const OFF_MS = 400;
const LEVELS = ['fast', 'committed', 'durable'] as const;

/** One run of a seed. */
export function cutPower(seed: number): Promise<Simulated> {
  return simulate({
    seed,
    servers: SERVERS,
    minutes: MINUTES,
    faults: [],
    hasOwnClientsOnly: true,
    replicas: 3,
    workload: (world) => {
      const random = openStream(seed, 'power cuts');
      for (let atMs = CUT_EVERY_MS; atMs < MINUTES * 60_000 - CUT_EVERY_MS / 2; atMs += CUT_EVERY_MS)
        planCut(world, random, atMs);
    },
  });
}

function planCut(world: World, random: RandomStream, atMs: number): void {
  const one = pick(random, world.ids);
  const isAll = chance(random, 0.5);
  const isWiped = !isAll && chance(random, 0.3);
  const hit = isAll ? world.ids : [one];
  world.at(atMs - BURST_MS, () => {
    if (isAll) return;
    world.cut(
      [one],
      world.ids.filter((id) => id !== one),
    );
  });
  let serial = 0;
  for (const id of hit)
    for (let writeMs = atMs - BURST_MS; writeMs < atMs; writeMs += between(random, 0, 2 * WRITE_EVERY_MS)) {
      const level = pick(random, LEVELS);
      const key = `${id}.${atMs}.${(serial += 1)}`;
      world.at(writeMs, () => world.write(id, key, level, { level }));
    }
  world.at(atMs, () => {
    for (const id of hit) world.crash(id, true);
    if (isWiped) world.operator.wipe(one);
  });
  world.at(atMs + OFF_MS, () => {
    world.heal();
    for (const id of hit) if (!world.peer(id).isRunning) world.start(id);
  });
}

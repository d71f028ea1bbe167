/**
 * The points at which a process is killed: three of them in `npm test`, all with `npm run test:deaths`.
 *
 * Owns which three: the first, the one in the middle, the last. What happens at each point in every order is the simulator's; here it is shown on real sockets and a
 * real disk, and each death takes seconds.
 */
const IS_ALL = process.env['ALL_POINTS'] !== undefined;

/** From 1 to `count`, as many as are wanted. */
export function choosePoints(count: number): readonly number[] {
  const all = Array.from({ length: count }, (_, at) => at + 1);
  return IS_ALL ? all : all.filter((point) => [1, Math.ceil(count / 2), count].includes(point));
}
